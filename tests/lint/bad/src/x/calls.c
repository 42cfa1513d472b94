/* SPDX-License-Identifier: Apache-2.0 */
/* strcpy( in a comment is no call, nor is "sprintf(" in a string. */
int banned(char *to, const char *from)
{
	strcpy(to, from);
	sprintf(to, "%s", from);
	my_gets(to);
	puts("strcpy(a, b)");
	if (atoi(from))
		exit(1);
	usleep(5);
	return time(NULL) != 0;
}

void *memory(size_t n)
{
	return malloc(n);
}
