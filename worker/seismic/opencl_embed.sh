#!/bin/sh
# opencl_embed.sh FILE...: print C source that holds the files, one after the other, as
# opencl_source_bytes (with a NUL behind) and opencl_source_size, which opencl_device.h declares.
set -eu
printf '#include "config.h"\n#include "worker/seismic/opencl_device.h"\n'
printf 'const unsigned char opencl_source_bytes[] = {\n'
cat "$@" | od -An -v -tx1 | sed 's/[0-9a-f][0-9a-f]/0x&,/g'
printf '0};\nconst size_t opencl_source_size = sizeof(opencl_source_bytes) - 1;\n'
