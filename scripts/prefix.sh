#!/usr/bin/env bash
# Unpacks packages of Debian 12, with everything that they depend on but the C library, into a
# folder, without root: what `scripts/setup.sh --prefix DIR` calls. Needs apt-get, dpkg-deb and a
# network or mirror that apt knows. Safe to run twice: nothing is done where nothing is newer.
# usage: scripts/prefix.sh DIR PACKAGE...
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
fail() { echo "setup.sh: $*" >&2; exit 1; }

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || true
[ "$codename" = bookworm ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
  fail "--prefix takes Debian 12's packages and needs a Debian 12 (apt-get, dpkg-deb); this is" \
    "'${codename:-something else}': build a container instead (scripts/container)"
case "$1" in
  *[[:space:]:\;]*) fail "--prefix '$1': compilers and linkers take no blank, ':' or ';' there" ;;
esac
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
root=$prefix/root
shift

# apt with lists, archives and a state of its own, in which nothing is installed.
apt=$prefix/apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status"
options=(-qq -o Dir::State="$apt/state" -o Dir::State::status="$apt/status"
         -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1
         -o APT::Install-Recommends=0 -o APT::Get::Assume-Yes=1)
apt-get "${options[@]}" update
apt-get "${options[@]}" clean
wanted=$(apt-get "${options[@]}" install --print-uris "$@" | awk '{print $2}' | sort)
[ -n "$wanted" ] || fail "apt-get knows nothing of $*"

unpack() {  # into $root.new, then in one step to $root
  rm -rf "$root.new"
  mkdir -p "$root.new/usr"/{bin,sbin,lib,lib64}
  local part archive
  for part in bin sbin lib lib64; do ln -s "usr/$part" "$root.new/$part"; done
  for archive in "$apt"/cache/archives/*.deb; do
    case "$archive" in */libc6_*) continue ;; esac
    dpkg-deb --fsys-tarfile "$archive" |
      tar -x -C "$root.new" --keep-directory-symlink --no-same-owner \
        --exclude=./usr/share/{doc,man,locale,info,icons}
  done
  # Links to files as they would lie on an installed system.
  local link target
  while IFS= read -r -d '' link; do
    target=$(readlink "$link")
    [ ! -e "$root.new$target" ] || ln -sfn "$root$target" "$link"
  done < <(find "$root.new" -type l -lname '/*' -print0)
  # The C library is the machine's, which its loader belongs to.
  for target in $(dpkg-deb --contents "$apt"/cache/archives/libc6_*.deb |
                    awk '{print $6}' | grep -E '^\./(usr/)?lib(64)?/([^/]*/)?[^/]*\.so[^/]*$'); do
    ln -sfn "${target#.}" "$root.new/${target#./}"
  done
  # What installing would choose: BLAS and LAPACK, and one of two HDF5s.
  for target in "$root.new"/usr/lib/*/pkgconfig/hdf5-serial.pc; do
    [ ! -e "$target" ] || ln -sfn hdf5-serial.pc "${target%/*}/hdf5.pc"
  done
  for target in "$root.new"/usr/lib/*/openblas-pthread/lib*.so.*; do
    [ ! -e "$target" ] || ln -sfn "openblas-pthread/${target##*/}" "${target%/*/*}/${target##*/}"
  done
  rm -rf "$root"
  mv "$root.new" "$root"
}
mark="of scripts/prefix.sh $(cksum <"$0")"$'\n'$wanted  # what unpacked them, and what
if [ "$(cat "$prefix/packages.txt" 2>/dev/null)" != "$mark" ] || [ ! -d "$root" ]; then
  echo "setup: $(wc -l <<<"$wanted") packages into $prefix"
  apt-get "${options[@]}" install --download-only "$@" >/dev/null
  unpack
  echo "$mark" >"$prefix/packages.txt"
  apt-get "${options[@]}" clean
else
  echo "setup: all $(wc -l <<<"$wanted") packages are in $prefix"
fi

# Programs find their libraries; what is compiled finds headers and libraries below the root, and
# its own libraries at run time, wherever it is started.
folder=$(dirname "$(echo "$root"/usr/lib/*/crt1.o)")
libraries=$folder:$root/usr/lib
mkdir -p "$prefix/bin"
program() {  # NAME IN_ROOT [ARGUMENT...]
  local name=$1 inside=$2; shift 2
  cat >"$prefix/bin/$name" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} PATH=\$PATH:$root/usr/bin
PKG_CONFIG_LIBDIR=$folder/pkgconfig:$root/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export LD_LIBRARY_PATH PATH PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
exec $root/usr/bin/$inside $* "\$@"
END
  chmod +x "$prefix/bin/$name"
}
for name in cmake ctest ninja pkg-config; do program $name $name; done
for name in g++ c++; do
  program $name g++ "--sysroot=$root -Wl,--disable-new-dtags,-rpath,$libraries"
done
