#!/bin/sh
# schema_embed.sh SCHEMA HEADER NAME: print C source that holds a JSON Schema byte for byte, as
# NAME_schema_bytes (with a NUL behind it) and NAME_schema_size, which HEADER declares.
set -eu
printf '#include "config.h"\n#include "%s"\n' "$2"
printf 'const unsigned char %s_schema_bytes[] = {\n' "$3"
od -An -v -tx1 "$1" | sed 's/[0-9a-f][0-9a-f]/0x&,/g'
printf '0};\nconst size_t %s_schema_size = sizeof(%s_schema_bytes) - 1;\n' "$3" "$3"
