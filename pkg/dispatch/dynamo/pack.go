package dynamo

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"

	"example.com/dispatch/pkg/dispatch"
)

// packedVersion is the least version of a row whose doc is compressed: those who do not know of it leave it alone.
const packedVersion = 4

// leased is what a claim adds to a row, in bytes, as rows are billed: lease and until with their names. The finish is
// billed for it as well, for DynamoDB counts the larger of what is replaced and what replaces it.
const leased = 64

// unit is what a write is billed by, in bytes.
const unit = 1 << 10

// packer compresses documents where that saves writes. Its compressor has 800 KB, so one packer serves all rows of a
// call. The zero value is ready, nil compresses nothing; a packer is safe for concurrent use and must not be copied.
type packer struct {
	mu         sync.Mutex
	compressor *flate.Writer // nil until the first row that is large
}

// pack compresses the doc of a row that the table takes as it is, if its put, claim and finish then cost less. The
// attribute packed has the version that the row would have otherwise, so that nothing else tells that it was.
func (p *packer) pack(r row) error {
	plain := size(r)
	if p == nil || billed(plain) == billed(0) {
		return nil
	}
	d := decoder{row: r}
	doc, version := d.bytes("doc"), d.number("version")
	if d.err != nil || len(doc) == 0 {
		return d.err
	}
	short, err := p.compress(doc)
	if err != nil {
		return fmt.Errorf("compressing its document: %w", err)
	}
	mark := row{"packed": number(version)}
	if billed(plain-len(doc)+len(short)+size(mark)) >= billed(plain) {
		return nil
	}
	r["doc"], r["packed"], r["version"] = binary(short), mark["packed"], number(max(version, packedVersion))
	return nil
}

// billed is what a row of n bytes costs the table in its life, in write units: a put, a claim and a finish.
func billed(n int) int {
	units := func(n int) int { return max(1, (n+unit-1)/unit) }
	return units(n) + 2*units(n+leased)
}

func (p *packer) compress(b []byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var short bytes.Buffer
	if p.compressor == nil {
		w, err := flate.NewWriter(&short, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		p.compressor = w
	} else {
		p.compressor.Reset(&short)
	}
	if _, err := p.compressor.Write(b); err != nil {
		return nil, err
	}
	if err := p.compressor.Close(); err != nil {
		return nil, err
	}
	return short.Bytes(), nil
}

// unpack returns a task's doc and version. It reads no more than any row can have held before it was compressed.
func (d *decoder) unpack() (doc []byte, version int64) {
	doc, version = d.bytes("doc"), d.number("version")
	if d.row["packed"] == nil {
		return doc, version
	}
	doc, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(doc)), dispatch.MaxRow+1))
	if err == nil && len(doc) > dispatch.MaxRow {
		doc, err = nil, dispatch.ErrTooLarge
	}
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("decompressing its document: %w", err)
	}
	return doc, d.number("packed")
}
