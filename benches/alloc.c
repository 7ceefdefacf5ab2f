/* The same in C, with checks: it gets four bytes from malloc, stores HI there, prints it, and frees the bytes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char *heap = malloc(4);
    if (!heap)
        return 71;
    memcpy(heap, "HI\n", 4);
    int status = write(1, heap, 3) == 3 ? 0 : 74;
    free(heap);
    return status;
}
