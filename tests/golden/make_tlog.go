// SPDX-License-Identifier: Apache-2.0

// make_tlog.go - trees, proofs and notes by Go's golang.org/x/mod/sumdb/tlog and note.
//
// Writes tlog.tsv. Everything in it is fixed: leaf i is the decimal text of i, keys come from
// constant seeds. Not run by the tests. On Debian 12 with golang-go and golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run make_tlog.go > tlog.tsv
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const large = 65536 + 300

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, h[i])
	}
	return out, nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func list(proof []tlog.Hash) string {
	var words []string
	for _, h := range proof {
		words = append(words, hex.EncodeToString(h[:]))
	}
	return strings.Join(words, " ")
}

func tree() {
	var stored hashes
	for i := int64(0); i < large; i++ {
		more, err := tlog.StoredHashes(i, []byte(strconv.FormatInt(i, 10)), stored)
		check(err)
		stored = append(stored, more...)
	}
	for n := int64(1); n <= 300; n++ {
		h, err := tlog.TreeHash(n, stored)
		check(err)
		fmt.Printf("root\t%d\t\t%x\n", n, h[:])
	}
	h, err := tlog.TreeHash(large, stored)
	check(err)
	fmt.Printf("root\t%d\t\t%x\n", large, h[:])
	for _, size := range []int64{1, 2, 3, 5, 7, 8, 13, 100, 255, 256, 257, 300, large} {
		for _, i := range []int64{0, 1, 2, size / 3, size / 2, 255, 256, size - 2, size - 1} {
			if i < 0 || i >= size {
				continue
			}
			p, err := tlog.ProveRecord(size, i, stored)
			check(err)
			fmt.Printf("inclusion\t%d\t%d\t%s\n", i, size, list(p))
			t, err := tlog.ProveTree(size, i+1, stored)
			check(err)
			fmt.Printf("consistency\t%d\t%d\t%s\n", i+1, size, list(t))
		}
	}
}

// witness signs as C2SP tlog-cosignature says, type 04.
type witness struct {
	name string
	key  ed25519.PrivateKey
	time uint64
}

func (w witness) Name() string { return w.name }

func (w witness) encoded() []byte { return append([]byte{4}, w.key[32:]...) }

func (w witness) KeyHash() uint32 {
	h := sha256.Sum256(append([]byte(w.name+"\n"), w.encoded()...))
	return binary.BigEndian.Uint32(h[:])
}

func (w witness) Sign(text []byte) ([]byte, error) {
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", w.time)
	sig := ed25519.Sign(w.key, append([]byte(head), text...))
	return append(binary.BigEndian.AppendUint64(nil, w.time), sig...), nil
}

func logKey(name string, seed byte) (note.Signer, string) {
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)), name)
	check(err)
	s, err := note.NewSigner(skey)
	check(err)
	return s, vkey
}

// judge prints + or - for each byte of a note after one change there: whether Go takes it apart.
func judge(msg []byte, what string, change func(b []byte, i int) []byte) {
	verdicts := make([]byte, len(msg))
	for i := range msg {
		_, err := note.Open(change(append([]byte(nil), msg...), i), note.VerifierList())
		verdicts[i] = '-'
		if _, ok := err.(*note.UnverifiedNoteError); ok {
			verdicts[i] = '+'
		}
	}
	fmt.Printf("verdicts\t%s\t%x\t%s\n", what, msg, verdicts)
}

func notes() {
	a, aKey := logKey("host.example/0123456789abcdef", 7)
	b, bKey := logKey("höst/\u2014", 8)
	w := witness{"witness.example/w1", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), 1679315147}
	wKey := fmt.Sprintf("%s+%08x+%s", w.name, w.KeyHash(), base64.StdEncoding.EncodeToString(w.encoded()))
	for _, key := range []string{aKey, bKey, wKey} {
		fmt.Printf("vkey\t%x\n", key)
	}
	checkpoint := "host.example/0123456789abcdef\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	for _, n := range []struct {
		text string
		by   []note.Signer
	}{
		{checkpoint, []note.Signer{a}},
		{checkpoint, []note.Signer{a, w}},
		{"\n", []note.Signer{b}},
		{"a\n\n\u2014 not a signature\n\nb\n", []note.Signer{w, b, a}},
	} {
		msg, err := note.Sign(&note.Note{Text: n.text}, n.by...)
		check(err)
		fmt.Printf("note\t%x\t%x\t%d\n", msg, n.text, len(n.by))
	}
	msg, err := note.Sign(&note.Note{Text: "one\n\ntwo\n"}, b, w)
	check(err)
	judge(msg, "delete", func(b []byte, i int) []byte { return append(b[:i], b[i+1:]...) })
	judge(msg, "double", func(b []byte, i int) []byte { return append(b[:i+1], msg[i:]...) })
	judge(msg, "cut", func(b []byte, i int) []byte { return b[:i] })
	for _, c := range []byte("\n\r +=-A\xa0\x7f") {
		judge(msg, strconv.Itoa(int(c)), func(b []byte, i int) []byte { b[i] = c; return b })
	}
}

func main() {
	fmt.Println("# Made by make_tlog.go with golang.org/x/mod v0.7.0 (sumdb/tlog and sumdb/note).")
	fmt.Println("# root n - hex; inclusion index size hashes; consistency old new hashes;")
	fmt.Println("# vkey hex; note hex text-hex signatures; verdicts change note-hex verdict-per-byte")
	tree()
	notes()
}
