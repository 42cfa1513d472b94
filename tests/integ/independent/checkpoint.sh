#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# checkpoint.sh - one note against a verifier key, by openssl and coreutils alone.
# usage: checkpoint.sh NOTE VKEY
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

name=${2%%+*}
rest=${2#*+}
printf %s "${rest#*+}" | base64 -d >"$work/key"
id=$(printf '%s\n' "$name" | cat - "$work/key" | sha256sum | cut -c 1-8)
[ "$id" = "${rest%%+*}" ] || { echo "checkpoint: the key's id is $id" >&2; exit 1; }

# Type 1 and 32 bytes; openssl wants them as a SubjectPublicKeyInfo.
{ printf '0*0\005\006\003+ep\003!\000'; tail -c +2 "$work/key"; } >"$work/key.der"

# What is signed ends before the empty line; behind it "— name base64(id, signature)".
sed '/^$/,$d' "$1" >"$work/text"
sed '1,/^$/d' "$1" | while read -r dash signer signature; do
	printf %s "$signature" | base64 -d >"$work/raw"
	if [ "$dash $signer $(od -An -tx1 -N 4 "$work/raw" | tr -d ' ')" = "— $name $id" ]; then
		tail -c +5 "$work/raw" >"$work/signature"
	fi
done
[ -s "$work/signature" ] || { echo "checkpoint: not signed by $name with $id" >&2; exit 1; }
openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/text" \
	-sigfile "$work/signature"
