// SPDX-License-Identifier: Apache-2.0

// ledger - holds a ledger against the Go checksum database's note and tlog packages: signatures,
// leaf hashes, everything below hashes/, the roots of all notes, and proofs between them.
//
//	usage: ledger DIR VKEY [NOTES]     NOTES: more notes, in the form of `checkpoints`
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const levels = 8 // hashes/0 to hashes/7; each is 8 levels of the tree apart

type checkpoint struct {
	from string
	size int64
	root tlog.Hash
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ledger: "+format+"\n", args...)
	os.Exit(1)
}

func read(path ...string) []byte {
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		fail("%v", err)
	}
	return raw
}

func open(from string, raw []byte, known note.Verifiers) checkpoint {
	n, err := note.Open(raw, known)
	if err != nil {
		fail("%s: %v", from, err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		fail("%s: not three lines: %q", from, n.Text)
	}
	if lines[0] != n.Sigs[0].Name {
		fail("%s: the origin is %q, the key's name %q", from, lines[0], n.Sigs[0].Name)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		fail("%s: size %q", from, lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		fail("%s: root: %v", from, err)
	}
	return checkpoint{from, size, root}
}

// Notes that stand one after the other, an empty line behind each.
func openAll(from string, raw []byte, known note.Verifiers) (all []checkpoint) {
	parts := bytes.Split(raw, []byte("\n\n"))
	if len(parts)%2 != 1 || len(parts[len(parts)-1]) != 0 {
		fail("%s: the last note is torn", from)
	}
	for i := 0; i+1 < len(parts); i += 2 {
		one := append(append(append([]byte{}, parts[i]...), "\n\n"...), append(parts[i+1], '\n')...)
		all = append(all, open(fmt.Sprintf("%s, note %d", from, i/2), one, known))
	}
	return all
}

// Up to size entries, out of segments whose names are the index of their first.
func entries(dir string, size int64) (all [][]byte) {
	names, err := filepath.Glob(filepath.Join(dir, "entries", strings.Repeat("[0-9]", 20)))
	if err != nil {
		fail("%v", err)
	}
	sort.Strings(names)
	for _, name := range names {
		first, err := strconv.ParseInt(filepath.Base(name), 10, 64)
		if err != nil || first != int64(len(all)) {
			fail("segment %s stands where entry %d is due", name, len(all))
		}
		for raw := read(name); len(raw) > 0 && int64(len(all)) < size; {
			if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
				fail("entry %d is cut short", len(all))
			}
			n := 2 + int(binary.BigEndian.Uint16(raw))
			all, raw = append(all, raw[2:n]), raw[n:]
		}
	}
	if int64(len(all)) != size {
		fail("%d entries, the checkpoint says %d", len(all), size)
	}
	return all
}

// The hashes of a tree over entries, in the order that tlog asks for them.
type tree struct{ hashes []tlog.Hash }

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("hash %d of %d", at, len(t.hashes))
		}
		out[i] = t.hashes[at]
	}
	return out, nil
}

func (t *tree) at(level int, n int64) tlog.Hash {
	return t.hashes[tlog.StoredHashIndex(level, n)]
}

func grow(all [][]byte) *tree {
	t := &tree{}
	for i, entry := range all {
		add, err := tlog.StoredHashes(int64(i), entry, t)
		if err != nil {
			fail("entry %d: %v", i, err)
		}
		t.hashes = append(t.hashes, add...)
	}
	return t
}

// What stands below hashes/, and not a hash too few.
func checkStored(dir string, t *tree, size int64) {
	for level := 0; level < levels; level++ {
		name := "hashes/" + strconv.Itoa(level)
		raw := read(dir, name)
		want := size >> (8 * level)
		if int64(len(raw)) < want*tlog.HashSize {
			fail("%s: %d bytes for %d hashes", name, len(raw), want)
		}
		for n := int64(0); n < want; n++ {
			hash := t.at(8*level, n)
			if !bytes.Equal(raw[n*tlog.HashSize:(n+1)*tlog.HashSize], hash[:]) {
				fail("%s: hash %d is not the one of the entries", name, n)
			}
		}
	}
}

func checkRoots(t *tree, all []checkpoint) {
	for _, c := range all {
		root, err := tlog.TreeHash(c.size, t)
		if err != nil || root != c.root {
			fail("%s: the root at %d is not the one of the entries", c.from, c.size)
		}
	}
}

func checkInclusion(t *tree, c checkpoint) {
	for n := int64(0); n < c.size; n++ {
		proof, err := tlog.ProveRecord(c.size, n, t)
		if err == nil {
			err = tlog.CheckRecord(proof, c.size, c.root, n, t.at(0, n))
		}
		if err != nil {
			fail("entry %d is not in %s: %v", n, c.from, err)
		}
	}
}

func checkConsistency(t *tree, all []checkpoint) (pairs int) {
	for _, a := range all {
		for _, b := range all {
			if a.size > b.size {
				continue
			}
			proof, err := tlog.ProveTree(b.size, a.size, t)
			if err == nil {
				err = tlog.CheckTree(proof, b.size, b.root, a.size, a.root)
			}
			if err != nil {
				fail("%s (%d) is no prefix of %s (%d): %v", a.from, a.size, b.from, b.size, err)
			}
			pairs++
		}
	}
	return pairs
}

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		fail("usage: ledger DIR VKEY [NOTES]")
	}
	dir := os.Args[1]
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fail("vkey: %v", err)
	}
	known := note.VerifierList(verifier)
	newest := open("checkpoint", read(dir, "checkpoint"), known)
	all := append(openAll("checkpoints", read(dir, "checkpoints"), known), newest)
	if len(os.Args) > 3 {
		all = append(all, openAll(os.Args[3], read(os.Args[3]), known)...)
	}
	for _, c := range all {
		if c.size > newest.size {
			fail("%s covers %d entries, checkpoint %d", c.from, c.size, newest.size)
		}
	}
	t := grow(entries(dir, newest.size))
	checkStored(dir, t, newest.size)
	checkRoots(t, all)
	checkInclusion(t, newest)
	pairs := checkConsistency(t, all)
	fmt.Printf("%d entries, %d notes, %d pairs\n", newest.size, len(all), pairs)
}
