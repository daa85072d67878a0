# shellcheck shell=bash
# What the other scripts share: messages, the packages of Debian that are needed, the Rust toolchain.
# To be sourced; leaves the repository's folder in `root`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A linker; everything else that is compiled is Rust.
packages_build=(gcc libc6-dev)
# What the window loads while it runs: Vulkan, with a driver in software, and X11.
packages_run=(
    libvulkan1 mesa-vulkan-drivers
    libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon0 libxkbcommon-x11-0
)
# A display without a screen, and someone who types and clicks on it.
packages_test=(xvfb xdotool)

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need_packages PURPOSE PACKAGE...: installs those that are missing, where apt-get can.
need_packages() {
    local purpose=$1 package missing=() as_root=()
    shift
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "not a Debian system: to $purpose, the equivalents of these packages are needed: $*"
        return
    fi
    for package in "$@"; do
        if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
            missing+=("$package")
        fi
    done
    if ((${#missing[@]} == 0)); then
        return
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "to $purpose, these packages are missing; as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    say "to $purpose, installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq >&2 ||
        say "the package lists could not be updated; trying with those that are there"
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        fail "apt-get could not install ${missing[*]}; install them by hand, then start this script again"
}

# version_at_least FOUND WANTED
version_at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Looks for cargo of the version that Cargo.toml asks for; installs Debian's if that is new enough.
need_rust() {
    local wanted found candidate
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo ]]; then
        PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
    fi
    if ! command -v cargo >/dev/null; then
        candidate=$(apt-cache policy cargo 2>/dev/null | sed -n 's/^ *Candidate: *//p') || candidate=
        if [[ $candidate == [0-9]* ]] && version_at_least "$candidate" "$wanted"; then
            need_packages "compile Rust" cargo rustfmt rust-clippy
        else
            fail "Rust $wanted or newer is missing: install it from https://rustup.rs"
        fi
    fi
    found=$(cargo --version | cut -d ' ' -f 2) ||
        fail "cargo does not start; install Rust $wanted or newer from https://rustup.rs"
    version_at_least "$found" "$wanted" ||
        fail "cargo is $found, but $wanted or newer is needed: rustup update stable, or https://rustup.rs"
}

need_build() {
    need_packages build "${packages_build[@]}"
    need_rust
}

need_run() {
    need_packages "open the window" "${packages_run[@]}"
}

need_test() {
    need_packages "test the window" "${packages_test[@]}"
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        fail "rustfmt or clippy is missing: rustup component add rustfmt clippy"
    fi
}
