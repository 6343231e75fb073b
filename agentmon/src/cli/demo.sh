# The demonstration agent: what a coding agent does on an ordinary day, and then what it must not do.
# $1 is a directory of its own, with documents that somebody would miss; nothing outside of it is touched.
set -eu
cd "$1"
say() { printf 'demo-agent: %s\n' "$*" >&2; }

say 'looking at the project'
mkdir -p project/src
uname -r > project/kernel.txt
printf 'int add(int a, int b) { return a + b; }\n' > project/src/add.c
ls -l project/src > /dev/null
grep -c add project/src/add.c > /dev/null

say 'writing a test and running it'
printf '#!/bin/sh\ntest "$(wc -l < project/src/add.c)" = 1\n' > project/test.sh
chmod +x project/test.sh
./project/test.sh
cp project/src/add.c project/src/add.c.orig
rm project/src/add.c.orig

say 'cleaning up: rm -rf documents   (a high-risk operation)'
rm -rf documents
say 'nothing stopped me'
