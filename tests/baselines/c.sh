# A small C project: build, run, clean, archive, unpack.
command -v gcc >/dev/null && command -v make >/dev/null || exit 77
set -e
mkdir src && printf 'int main(void) { return 0; }\n' > src/main.c
printf 'all: app\napp: src/main.c\n\tgcc -o app src/main.c\nclean:\n\trm -f app\n' > Makefile
make -s && ./app && make -s clean && make -s
tar czf app.tgz src app && rm -rf src app && tar xzf app.tgz && chmod 755 app && ./app
cp -r src backup && rm -rf backup && mv app.tgz old.tgz && ln -s old.tgz latest && rm latest old.tgz
