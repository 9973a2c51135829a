# Everything a new machine needs, in two commands: `make demo` and `make test`.

CARGO ?= cargo
DEMO  := fixtures/cases/farmbot-faults/capture.pcap

.PHONY: demo test setup expected budget bench bench-peers

# Debian packages that building and testing need; asks for nothing that is there already.
setup:
	@sh fixtures/setup.sh valgrind

# Checks a shipped FarmBot capture that has faults: prints the table and writes discrepancies.csv.
demo:
	@sh fixtures/setup.sh
	$(CARGO) build --locked
	@echo
	@target/debug/wireclaim check $(DEMO) -p farmbot --format table --fail-on never
	@target/debug/wireclaim check $(DEMO) -p farmbot --quiet --fail-on never -o discrepancies.csv
	@echo "wrote discrepancies.csv"

# Formatting, lints with warnings denied, all tests (among them what each stage may cost), documentation.
test: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

# Writes the expected outputs of the cases anew, to be read before they are committed.
expected:
	WIRECLAIM_BLESS=1 $(CARGO) test --locked --test cases every_case

# Writes anew what each stage may cost: the instructions that it takes now.
budget: setup
	WIRECLAIM_BLESS=1 $(CARGO) test --locked --test budget -- --nocapture

# Measures the whole command beside reading the file, tcpdump, other forms of the file, and twice the file, on captures
# that it makes first (7 GB under target/bench-captures). BENCH takes flags: BENCH="shapes --only mixed --rounds 3".
bench:
	@sh fixtures/setup.sh tcpdump gzip zstd
	$(CARGO) build --release --locked
	$(CARGO) bench --locked --bench compare -- $(BENCH)

# Other tools on the same captures, and what each does in its time; installs those that Debian has.
bench-peers: setup
	$(CARGO) build --release --locked
	$(CARGO) bench --locked --bench compare -- peers --install $(BENCH)
