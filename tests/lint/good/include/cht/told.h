/* SPDX-License-Identifier: Apache-2.0 */

/* Says what both do. */
CHT_API int cht_told(void);
CHT_API int cht_told_too(void);
