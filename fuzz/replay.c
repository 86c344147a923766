/* SPDX-License-Identifier: ISC */
/*
 * replay - tries files as inputs of a target, without libFuzzer
 *
 * usage: TARGET FILE ...
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file || fseek(file, 0, SEEK_END) != 0) {
			perror(argv[i]);
			return 1;
		}
		size_t size = (size_t)ftell(file);
		uint8_t *data = malloc(size > 0 ? size : 1);
		rewind(file);
		if (!data || fread(data, 1, size, file) != size) {
			perror(argv[i]);
			return 1;
		}
		fclose(file);
		fprintf(stderr, "%s\n", argv[i]); /* the last line before a fault names its input */
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
