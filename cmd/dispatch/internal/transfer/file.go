package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// What is wrong with a file.
var (
	ErrNoExport  = errors.New("no export of dispatch")
	ErrNewer     = errors.New("written by a newer version of dispatch")
	ErrTruncated = errors.New("the file is cut off: its last line is missing")
	ErrChanged   = errors.New("the file is not as it was written")
)

// maxLine bounds a line: the largest row, all of it in base64 and escaped, in bytes.
const maxLine = 4 * dispatch.MaxRow

// writer writes a file, line by line.
type writer struct {
	out   *bufio.Writer
	sum   hash.Hash
	lines *json.Encoder
	end   end
}

func newWriter(out io.Writer, now time.Time) (*writer, error) {
	w := &writer{out: bufio.NewWriterSize(out, 1<<20), sum: sha256.New()}
	w.lines = json.NewEncoder(io.MultiWriter(w.out, w.sum))
	w.lines.SetEscapeHTML(false) // values are kept to the byte
	return w, w.write(line{Header: &header{format, dispatch.FormatVersion, now.UTC()}})
}

func (w *writer) write(l line) error {
	if l.Task != nil {
		w.end.Tasks++
	}
	if l.Document != nil {
		w.end.Documents++
	}
	if err := w.lines.Encode(l); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}

// close writes the last line.
func (w *writer) close() error {
	w.end.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	if err := w.write(line{End: &w.end}); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}

// read yields a file's documents and tasks, and checks all else. An error ends it.
func read(in io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		r := bufio.NewReaderSize(in, maxLine)
		sum, seen := sha256.New(), end{}
		for n := 1; ; n++ {
			text, err := r.ReadSlice('\n')
			l, err := parse(text, err, n)
			switch {
			case err == nil && l.End != nil:
				seen.SHA256 = hex.EncodeToString(sum.Sum(nil))
				if *l.End != seen {
					err = fmt.Errorf("%w: it says %+v, and has %+v", ErrChanged, *l.End, seen)
				} else if _, behind := r.ReadByte(); behind != io.EOF {
					err = fmt.Errorf("%w: there is more behind its end", ErrChanged)
				}
				if err != nil {
					yield(line{}, err)
				}
				return
			case err == nil && l.Task != nil:
				seen.Tasks++
			case err == nil && l.Document != nil:
				seen.Documents++
			}
			sum.Write(text)
			if (l.Header == nil || err != nil) && !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// parse reads the n-th line. A field that is not known is an error: what it says would be lost.
func parse(text []byte, err error, n int) (line, error) {
	var l line
	switch {
	case errors.Is(err, io.EOF) && n > 1:
		return l, ErrTruncated
	case err != nil && n > 1:
		return l, fmt.Errorf("reading line %d: %w", n, err)
	case err == nil:
		d := json.NewDecoder(bytes.NewReader(text))
		if n > 1 {
			d.DisallowUnknownFields()
		}
		err = d.Decode(&l)
	}
	switch {
	case n == 1 && (err != nil || l.Header == nil):
		return l, ErrNoExport
	case n == 1 && (l.Header.Format > format || l.Header.Version > dispatch.FormatVersion):
		return l, fmt.Errorf("%w: format %d, rows %d", ErrNewer, l.Header.Format, l.Header.Version)
	case err != nil:
		return l, fmt.Errorf("%w: line %d: %w", ErrChanged, n, err)
	case n > 1 && l.Document == nil && l.Task == nil && l.End == nil:
		return l, fmt.Errorf("%w: line %d is neither a document, nor a task, nor the end", ErrChanged, n)
	}
	return l, nil
}

// Check reads a whole file, and says how many tasks it has.
func Check(in io.Reader) (tasks int, err error) {
	for l, err := range read(in) {
		if err != nil {
			return tasks, err
		}
		if l.Task != nil {
			tasks++
		}
	}
	return tasks, nil
}
