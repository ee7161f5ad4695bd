// Command empty is the least that a Go function on Lambda can be: what the others' start is compared with.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() {}) }
