package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"
)

// packed is a function's zip.
type packed struct {
	function string
	content  []byte
}

func (p packed) sum() [sha256.Size]byte { return sha256.Sum256(p.content) }

// codeSHA256 is the sum as Lambda's API has it, and Terraform's source_code_hash.
func (p packed) codeSHA256() string {
	sum := p.sum()
	return base64.StdEncoding.EncodeToString(sum[:])
}

// pack makes a zip of a program, with nothing in it of when, where and by whom it was made. Lambda runs the file bootstrap.
// https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
func pack(program []byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)} // the earliest that a zip can say
	header.SetMode(0o755)
	file, err := w.CreateHeader(header)
	if err == nil {
		_, err = file.Write(program)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("packing a function: %w", err)
	}
	return b.Bytes(), nil
}
