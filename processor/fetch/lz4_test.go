package fetch

import (
	"bytes"
	"testing"

	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"
)

// What is taken of a frame is what the library takes, and whatever is wrong with one the library is asked.
func TestLZ4LikeTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 9 << 20
		content := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "content"), rapid.SampledFrom([]int{1, 1, 2, 50, 3000}).Draw(t, "times"))
		var frame bytes.Buffer
		w := lz4.NewWriter(&frame)
		sums, shape := rapid.Bool().Draw(t, "sums"), rapid.SampledFrom([]string{"whole", "whole", "cut", "longer", "twice", "header"}).Draw(t, "shape")
		options := []lz4.Option{
			lz4.BlockSizeOption(rapid.SampledFrom([]lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb}).Draw(t, "blocks")),
			lz4.ChecksumOption(rapid.Bool().Draw(t, "sum")), lz4.BlockChecksumOption(sums), lz4.ConcurrencyOption(1),
		}
		if rapid.Bool().Draw(t, "size") {
			options = append(options, lz4.SizeOption(uint64(len(content))))
		}
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		w.Write(content)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		p := frame.Bytes()
		switch shape {
		case "cut":
			p = p[:rapid.IntRange(0, len(p)-1).Draw(t, "at")]
		case "longer":
			p = append(p, 7)
		case "twice":
			p = append(p, p...)
		case "header":
			p[rapid.IntRange(0, 7).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		var fast, library codecs
		taken := fast.unlz4(p, limit)
		library.in.Reset(p)
		err := library.readAll(lz4.NewReader(&library.in), limit)
		switch {
		case shape == "whole" && !sums && !taken:
			t.Fatal("left to the library")
		case taken && err == nil && !bytes.Equal(fast.out, library.out):
			t.Fatalf("%d bytes, not the library's %d", len(fast.out), len(library.out))
		case taken && err != nil && !bytes.Equal(fast.out, content): // a checksum of the header
			t.Fatalf("taken, and the library says %v", err)
		}
	})
}
