# The steps of .ci/run: `bash .ci/steps.sh NAME` runs one; it succeeds or fails as a whole.
# A line that begins with "note: ci: " is shown even when the step succeeds.
set -euo pipefail

readonly CARGO_FUZZ_VERSION=0.13.2
readonly DEFMT_PRINT_VERSION=1.2.0
readonly TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/hqq-ci
readonly FUZZ_SECONDS=20
# In percent: below it the attach target mostly fuzzes the refusal of broken superblocks.
readonly LEAST_ATTACHED=20

export PATH=$TOOLS/bin:$PATH
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
# A panic says where it happened all the same; and nothing that is linked has its libraries' debug information
# copied into it, which would be most of what a run writes.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_RELEASE_DEBUG=0
# The parts of a crate that is optimised a little are not optimised together once more: compiling the tests
# takes a third longer with it, and they run as fast without.
export CARGO_PROFILE_DEV_LTO=off CARGO_PROFILE_RELEASE_LTO=off
unset RUSTFLAGS RUSTDOCFLAGS RUSTC CARGO_BUILD_TARGET

# The tests and examples of the workspace, with one set of features, so that nothing is compiled twice. Without
# features hqq-core is tested by the steps for other words and machines.
readonly WORKSPACE=(--workspace --features hqq-core/embedded-io-async)

# One target directory for each set of RUSTFLAGS and each compiler: they would rebuild each
# other's artifacts otherwise.
readonly TARGET=$PWD/target
export CARGO_TARGET_DIR=$TARGET

run() {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

# Runs cargo with RUSTFLAGS="--cfg NAME".
with_cfg() { # NAME ARGUMENT…
    run env RUSTFLAGS="--cfg $1" CARGO_TARGET_DIR="$TARGET/cfg-$1" cargo "${@:2}"
}

# As `with_cfg`, but the crates that are not ours are compiled without it, once for all of them.
with_cfg_for_ours() { # NAME ARGUMENT…
    local compiler=$TARGET/ci/rustc-$1
    printf '#!/bin/sh\nexec "$@" --cfg %s\n' "$1" >"$compiler"
    chmod +x "$compiler"
    run env RUSTC_WORKSPACE_WRAPPER="$compiler" CARGO_TARGET_DIR="$TARGET/cfg" cargo "${@:2}"
}

# Runs cargo with Debian's compiler, whose library source is there to be built for any target, and
# with rustup's rust-lld, which that compiler comes without. RUSTC_BOOTSTRAP: -Zbuild-std is unstable.
foreign() {
    local tools
    tools=$(dirname "$(rustc --print target-libdir)")/bin
    # A target's linker is part of what Cargo knows its artifacts by: always the same, so that steps share them.
    run env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$TARGET/foreign" \
        CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER=s390x-linux-gnu-gcc \
        PATH="$tools:$PATH" cargo "$@"
}

install() {
    local packages=(
        rustc-web rust-web-src                                   # foreign
        gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user      # test_big_endian
        gcc-12-multilib                                          # test_i686; gcc-multilib conflicts
        qemu-system-arm qemu-system-misc                         # targets, test_firmware
        qemu-system-x86                                          # test_guest
        gcc g++                                                  # linking; cargo-fuzz's libFuzzer
        valgrind                                                 # bench
    )
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
        export DEBIAN_FRONTEND=noninteractive
        run apt-get update --quiet
        run apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
    fi
    # For WebAssembly, in targets; any will do.
    command -v node >/dev/null || run apt-get install --yes --quiet nodejs
    if [[ $(cargo-fuzz --version 2>&1) != "cargo-fuzz $CARGO_FUZZ_VERSION" ]]; then
        run env CARGO_TARGET_DIR="$TARGET/ci/cargo-fuzz" cargo install cargo-fuzz \
            --version "$CARGO_FUZZ_VERSION" --locked --force --root "$TOOLS"
    fi
    if [[ $(defmt-print --version 2>&1) != "defmt-print $DEFMT_PRINT_VERSION"* ]]; then
        # It decodes a few lines: building it fast matters more than what it does.
        run env CARGO_TARGET_DIR="$TARGET/ci/defmt-print" cargo install defmt-print --debug \
            --version "$DEFMT_PRINT_VERSION" --locked --force --root "$TOOLS"
    fi
    run cargo --version
    run cargo +nightly --version
    run /usr/bin/rustc --version
    run cargo-fuzz --version
    run qemu-s390x --version
}

lockfiles() {
    run cargo metadata --locked --format-version 1 >/dev/null
    local apart
    for apart in fuzz tests/targets tests/firmware tests/guest; do
        run cargo metadata --locked --format-version 1 --manifest-path "$apart/Cargo.toml" >/dev/null
    done
}

format() {
    run cargo fmt --all --check -- --color never
    local apart
    for apart in fuzz tests/targets tests/firmware tests/guest; do
        run cargo fmt --manifest-path "$apart/Cargo.toml" --check -- --color never
    done
}

clippy_workspace() {
    run cargo clippy --workspace --all-targets --all-features -- -D warnings
}

# Without features; all of them together are in `clippy_workspace`, each alone is built in `targets`.
clippy_lean() {
    run cargo clippy -p hqq-core --all-targets -- -D warnings
    run cargo clippy -p hqq-std -p hqq-bench --all-targets -- -D warnings
}

clippy_cfg() {
    # What stands after "--" is for the workspace's packages alone, so that their dependencies need not be
    # checked anew; but Cargo has to know of loom.
    run cargo clippy -p hqq-core --all-targets -- -D warnings --cfg hqq_narrow
    run cargo clippy -p hqq-core --test count --test adversary -- -D warnings --cfg hqq_count
    with_cfg loom clippy -p hqq-core --test loom -- -D warnings
}

clippy_fuzz() {
    # Nothing is linked, so libFuzzer need not be built: any name will do.
    run env CUSTOM_LIBFUZZER_PATH=/usr/lib/libFuzzer.a \
        cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-clippy -- -D warnings
}

docs() {
    export RUSTDOCFLAGS="-D warnings"
    run cargo doc --no-deps -p hqq-core --no-default-features
    run cargo doc --no-deps --workspace --all-features
}

# Each of these is no_std in the configuration that hqq-core asks for.
dependencies() {
    local allowed=" hqq-core atomic-waker bitflags byteorder critical-section defmt embedded-io \
        embedded-io-async hash32 heapless portable-atomic stable_deref_trait static_assertions zerocopy "
    local crates crate code=0
    # With and without compare-and-swap.
    crates=$(cargo tree -p hqq-core --all-features -e normal,no-proc-macro \
        --target x86_64-unknown-linux-gnu --target thumbv6m-none-eabi --prefix none --format '{p}' | awk '{ print $1 }' | sort -u)
    for crate in $crates; do
        [[ $allowed == *" $crate "* ]] && continue
        echo "hqq-core depends on $crate, which is not on the list in .ci/steps.sh"
        code=1
    done
    return "$code"
}

test_workspace() {
    # A step of its own has it longer, and shows its figures.
    export HQQ_HOSTILE_SECONDS=2
    # 1e5 messages, one at a time, to a receiver that sleeps.
    export HQQ_WAKEUPS=100000
    # Calls of eight threads, in each format.
    export HQQ_CALLS=50000
    # What was killed where, how late calls beside a stopped peer were, and what waiting took.
    run cargo test "${WORKSPACE[@]}" --no-fail-fast -- --show-output |
        sed --unbuffered -E \
            -e 's/^.*: [0-9]+ instructions, [0-9]+ states$/note: ci: &/' \
            -e 's/^[a-z]+ [a-z]+(, begun)?: instructions \(states\) .*/note: ci: &/' \
            -e 's/^([0-9]+ kills beside|named after|a stopped|replaced under traffic:) .*/note: ci: &/' \
            -e 's/^.*: [0-9]+ threads killed .*/note: ci: &/' \
            -e 's/^ +[A-Za-z]+ +[0-9]+ +[0-9.]+ %$/note: ci: &/' \
            -e 's/^[0-9]+ (messages to a parked receiver|buffers for a parked sender|.* with error [0-9]+): .*/note: ci: &/' \
            -e 's/^.*: [0-9]+ states, [0-9.]+ s$/note: ci: &/' \
            -e 's/^.*(repaired in|claims after) .*/note: ci: &/' \
            -e 's/^in [0-9]+ s: .*/note: ci: &/'
}

test_narrow() {
    with_cfg_for_ours hqq_narrow test -p hqq-core --lib --tests --no-fail-fast
}

test_count() {
    # How often each word was read, and beside how many writes.
    with_cfg_for_ours hqq_count test -p hqq-core --test count --test adversary -- --show-output |
        sed --unbuffered -E 's/^(.* bytes: packet and stamp .*|[0-9]+ runs.*|a (lap|release) before each .*)$/note: ci: \1/'
}

test_hostile() {
    HQQ_HOSTILE_SECONDS=60 run cargo test "${WORKSPACE[@]}" --test hostile -- --show-output |
        sed --unbuffered -E 's/^(Writes .*|[0-9]+ [0-9]+|messages moved.*|(late|control): .*|memory: .*| +[0-9]+ [A-Z].*)$/note: ci: \1/'
}

test_loom() {
    # What weakens an ordering and which model noticed is printed by a test that succeeds.
    # Of all that loom needs, only what runs in the models is optimised, and loom in one piece, as its small functions
    # are inlined then. One model at a time: each execution maps stacks and unmaps them, which threads of one
    # process do in each other's way; two models at once take twice the processor time.
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        with_cfg loom test --release -p hqq-core --test loom --no-fail-fast \
        --config 'profile.release.package."*".opt-level=0' \
        --config profile.release.package.loom.opt-level=3 \
        --config profile.release.package.loom.codegen-units=1 \
        --config profile.release.package.generator.opt-level=3 -- --show-output --test-threads=1 |
        sed --unbuffered 's/^\([a-z_]*: caught by .*\)$/note: ci: \1/'
}

# All tests of hqq-core but those that only make threads meet, which an emulator does seldom, and those
# that have steps of their own.
test_big_endian() {
    # No doctests: rustdoc would be the other compiler's. Fewer random cases: the emulator takes its time,
    # and the compiler, too: optimised a little, both together take the least.
    PROPTEST_CASES=64 \
    CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUNNER="qemu-s390x -L /usr/s390x-linux-gnu" \
        foreign test --config "profile.dev.package.hqq-core.opt-level=1" -p hqq-core --lib --test suite --no-fail-fast \
        -Zbuild-std=std,panic_unwind,test --target s390x-unknown-linux-gnu \
        -- --skip threads:: --skip scribble::
}

demo() {
    seq 200000 >target/ci/demo.txt
    # That it works is what is asked here, not how fast: optimising it takes most of the time.
    run env CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo hqq demo target/ci/demo.txt
}

examples() {
    local built=$TARGET/debug/examples server
    run cargo build "${WORKSPACE[@]}" --examples
    run "$built/poll_loop"
    # Between two processes; it fails where a wakeup is lost.
    run timeout 120 "$built/parked" 100000 | sed 's/^\([0-9]* round trips\|no wakeup\)/note: ci: &/'
    run "$built/async_tasks"
    run timeout 60 "$built/rpc_server" "hqq-ci-rpc-$$" &
    server=$!
    # The server creates the region first.
    until [[ -e /dev/shm/hqq-ci-rpc-$$ ]]; do kill -0 "$server"; sleep 0.1; done
    run timeout 60 "$built/rpc_client" "hqq-ci-rpc-$$" "hello there"
    wait "$server"
    run timeout 60 "$built/stream_file" receive "hqq-ci-file-$$" target/ci/stream_file.out &
    server=$!
    until [[ -e /dev/shm/hqq-ci-file-$$ ]]; do kill -0 "$server"; sleep 0.1; done
    run timeout 60 "$built/stream_file" send "hqq-ci-file-$$" Cargo.lock
    wait "$server"
    run cmp Cargo.lock target/ci/stream_file.out
    run timeout 60 "$built/handoff" serve "$TARGET/ci/handoff-$$" &
    server=$!
    until [[ -e $TARGET/ci/handoff-$$ ]]; do kill -0 "$server"; sleep 0.1; done
    run timeout 60 "$built/handoff" ask "$TARGET/ci/handoff-$$" "hello there"
    wait "$server"
}

bench() {
    # As users build it: what a send and a receive take depends on that.
    unset CARGO_PROFILE_RELEASE_LTO
    local bench=(cargo run --release --quiet -p hqq-bench --features peers --) missing=0 id ids printed
    # With the goals, as figures only: it is too short to meet them, and the machine is not alone.
    run "${bench[@]}" all --brief --json target/ci/bench.json --html target/ci/bench.html |
        sed --unbuffered -E 's/^.* [≤≥] .*$/note: ci: &/'
    grep -q "</html>" target/ci/bench.html
    # What is asked for, met or not: every row of the table of docs/performance.md, and no other.
    ids=(rtt-8 rtt-64 rtt-1k rtt-64-shared rtt-64-iceoryx2 msg-64-rtrb msg-64-arrayqueue
        msg-64-channel msg-8-rtrb msg-64-shared batch-64 batch-8 shared-4x4 msg-64-iceoryx2
        msg-64-unix msg-64-pipe large-assembled large-streamed large-inplace call-link
        call-iceoryx2 call-core untrusted-64 untrusted-4k park-rtt one-core-rtt idle-cpu attach
        repair instructions)
    for id in "${ids[@]}"; do
        grep -q "\"id\": \"$id\"" target/ci/bench.json || { echo "no row $id"; missing=1; }
    done
    [[ $(grep -c '"asked": true' target/ci/bench.json) == "${#ids[@]}" ]] || { echo "other goals count than these"; missing=1; }
    # What is no number is written as null.
    if grep -E '"(ratio|value)": *null' target/ci/bench.json; then
        missing=1
    fi
    printed=$("${bench[@]}" instructions)
    echo "note: ci: ${printed//$'\n'/$'\n'note: ci: }"
    return "$missing"
}

# hqq-core for every target, with each feature alone and all together: a line for each. Where there
# is an emulator, a self-check runs; i686 and s390x have the whole tests (test_i686, test_big_endian),
# x86_64-unknown-none has test_guest.
targets() {
    local code=0
    # Three at a time, as each has a library `core` of its own.
    group thumbv6m-none-eabi thumbv7em-none-eabihf riscv32imac-unknown-none-elf || code=1
    refused_without_64_bit_atomics || code=1
    discard thumbv6m-none-eabi thumbv7em-none-eabihf/debug riscv32imac-unknown-none-elf
    group riscv64gc-unknown-none-elf aarch64-unknown-none wasm32-unknown-unknown || code=1
    discard riscv64gc-unknown-none-elf aarch64-unknown-none wasm32-unknown-unknown
    group x86_64-unknown-none i686-unknown-linux-gnu s390x-unknown-linux-gnu || code=1
    return "$code"
}

# What was built for these targets, in a run of all steps.
discard() { # TARGET…
    [[ -z ${HQQ_CI_WHOLE-} ]] || rm -rf "${@/#/$TARGET/foreign/}"
}

# Builds for each of these targets, and runs the self-check where that is done here.
group() { # TARGET…
    local target features code=0 result named=()
    for target in "$@"; do
        named+=(--target "$target")
    done
    for features in "" defmt embedded-io embedded-io-async defmt,embedded-io-async; do
        # All at once, which keeps both cores busy; one by one where that fails.
        built_for "$features" "${named[@]}" && result=built || result=
        for target in "$@"; do
            if [[ -z $result ]] && ! built_for "$features" --target "$target"; then
                code=1
                printf 'note: ci: %-29s %-24s %s\n' "$target" "${features:-(none)}" FAILED
            else
                printf 'note: ci: %-29s %-24s %s\n' "$target" "${features:-(none)}" built
            fi
        done
    done
    for target in "$@"; do
        case $target in *-linux-* | x86_64-*) continue ;; esac
        result="ok"
        (cd tests/targets && foreign run --quiet --locked -Zbuild-std=core --target "$target" \
            --bin selfcheck) || { result=FAILED; code=1; }
        printf 'note: ci: %-29s %-24s %s\n' "$target" "self-check, emulated" "$result"
    done
    return "$code"
}

# Nobody runs what comes of it, so that it need not be fast.
built_for() { # FEATURES --target TARGET…
    foreign build --config "profile.dev.package.hqq-core.opt-level=0" --quiet -p hqq-core --no-default-features --features "$1" -Zbuild-std=core "${@:2}"
}

# Sharing a side does not compile there, and the message says why.
refused_without_64_bit_atomics() {
    local log=target/ci/refused.out
    if (cd tests/targets && foreign build --locked -Zbuild-std=core --target thumbv7em-none-eabihf \
        --features refused --bin refused) >"$log" 2>&1; then
        echo "a shared side compiles without 64-bit atomics"
        return 1
    fi
    grep --max-count=1 'error\[E0277\]: a side of a ring cannot be shared on this target: it has no 64-bit atomics' "$log" |
        sed 's/^/note: ci: thumbv7em-none-eabihf refuses SharedLink: /'
    grep --quiet 'use `Link`, which takes a side for one thread alone' "$log"
}

# 32-bit pointers beside 64-bit atomics. Not optimised: compiling it would take longer than that saves.
test_i686() {
    PROPTEST_CASES=64 \
        foreign test --config "profile.dev.package.hqq-core.opt-level=0" -p hqq-core --lib --test suite --no-fail-fast \
        -Zbuild-std=std,panic_unwind,test --target i686-unknown-linux-gnu \
        -- --skip scribble:: --skip format1_threads::
}

# Short; `cargo test --release -p hqq-tests --test guest` is the whole.
test_guest() {
    run env HQQ_GUEST_MESSAGES=50000 cargo test "${WORKSPACE[@]}" --test guest -- --nocapture |
        sed --unbuffered 's/^\(KVM\|TCG\): /note: ci: &/'
}

test_firmware() {
    HQQ_DEFMT_PRINT=defmt-print run cargo test "${WORKSPACE[@]}" --test firmware -- --nocapture |
        sed --unbuffered 's/^| .*/note: ci: &/'
}

other_systems() {
    foreign check -p hqq-std -Zbuild-std=std,panic_abort \
        --target aarch64-apple-darwin --target x86_64-unknown-freebsd
}

fuzz() { # TARGET
    # A corpus of its own: what a long run has collected in fuzz/corpus would take all the time.
    local corpus=target/ci/corpus/$1
    rm -rf "$corpus"
    mkdir -p "$corpus"
    run cargo +nightly fuzz run --target-dir target/fuzz "$1" "$corpus" -- \
        -max_total_time="$FUZZ_SECONDS" -timeout=10 -max_len=2048 2>&1
}

fuzz_packet_decode() {
    fuzz packet_decode
}

fuzz_advanced_poll() {
    fuzz advanced_poll
}

fuzz_attach() {
    local log=target/ci/fuzz_attach.out attached inputs
    fuzz attach | tee "$log"
    read -r attached inputs < <(
        sed -n 's/^attached \([0-9]*\) of \([0-9]*\) inputs.*/\1 \2/p' "$log" | tail -n 1
    ) || { echo "the target printed no 'attached A of B inputs'"; return 1; }
    echo "note: ci: attached $attached of $inputs inputs"
    ((inputs > 0 && attached * 100 >= inputs * LEAST_ATTACHED))
}

# Shared memory and processes of this project that exist now.
traces() {
    local process path
    find /dev/shm -maxdepth 1 -name 'hqq*'
    for process in /proc/[0-9]*; do
        # By argument as well: an emulator runs another architecture's program.
        path=$(readlink "$process/exe" 2>/dev/null; tr '\0' ' ' 2>/dev/null <"$process/cmdline") || true
        [[ $path == *"$PWD/target/"* ]] && echo "process ${process#/proc/}: ${path//$'\n'/ }"
    done
    return 0
}

leftovers() {
    local left
    left=$(traces | sort | comm -13 <(sort target/ci/traces.before) -)
    [[ -z $left ]] || { echo "left behind:"; echo "$left"; return 1; }
}

# Processor time of what ran, which says more than the clock does where two lanes run: the second line.
trap 'echo "processor time, of bash and of what it ran, user and system:"; times' EXIT
"$1"
