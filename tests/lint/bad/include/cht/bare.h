/* SPDX-License-Identifier: Apache-2.0 */

/* Says what it does. */
CHT_API int cht_told(void);
CHT_API int cht_told_with_it(void);

CHT_API int cht_untold(void);
