package dispatch

import (
	"errors"
	"net/http"
	"strings"
)

// The services whose resources a task can go to, as ARNs name them.
const (
	LambdaService = "lambda"
	StatesService = "states" // Step Functions
)

// ARN is the name of what a task can go to instead of a URL: a Lambda function, or a Step Functions state machine.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
type ARN struct {
	Service string // LambdaService or StatesService
	Region  string
	Name    string // of the function or the state machine
	Base    string // the ARN without a version or an alias
}

// maxStatesInput is what Step Functions takes as an input, 256 KiB, less what the envelope adds.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const maxStatesInput = 256<<10 - 1<<10

var errARN = errors.New("must be the ARN of a Lambda function, arn:aws:lambda:<region>:<account>:function:<name>, or of a state machine, " +
	"arn:aws:states:<region>:<account>:stateMachine:<name>, each with or without a version or an alias")

// IsARN reports whether a task's uri is meant as an ARN.
func IsARN(uri string) bool { return strings.HasPrefix(uri, "arn:") }

// ParseARN reads the ARN of a Lambda function or a state machine. The region becomes part of the name of a host that is
// called with credentials, so nothing else passes for one.
func ParseARN(uri string) (ARN, error) {
	part := strings.Split(uri, ":")
	if len(part) < 7 || len(part) > 8 || part[0] != "arn" || !isPartition(part[1]) || !isRegion(part[3]) || !isAccount(part[4]) {
		return ARN{}, errARN
	}
	a := ARN{Service: part[2], Region: part[3], Name: part[6], Base: strings.Join(part[:7], ":")}
	qualifier := "x"
	if len(part) == 8 {
		qualifier = part[7]
	}
	ok := false
	switch a.Service + " " + part[5] {
	case LambdaService + " function":
		ok = isName(a.Name, "_-", 64) && (qualifier == "$LATEST" || isName(qualifier, "_-", 128))
	case StatesService + " stateMachine":
		ok = isName(a.Name, "!'()+.=@_-", 80) && isName(qualifier, "_.-", 80)
	}
	if !ok {
		return ARN{}, errARN
	}
	return a, nil
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
)

func isPartition(s string) bool {
	return strings.HasPrefix(s, "aws") && len(s) <= 20 && strings.Trim(s, "-"+lower) == ""
}

// isRegion reports whether s is like eu-west-1 or us-gov-east-1.
func isRegion(s string) bool {
	words := strings.Split(s, "-")
	last := len(words) - 1
	if last < 2 || last > 4 {
		return false
	}
	for _, w := range words[:last] {
		if len(w) < 2 || len(w) > 16 || strings.Trim(w, lower) != "" {
			return false
		}
	}
	n := words[last]
	return len(n) >= 1 && len(n) <= 2 && strings.Trim(n, digits) == ""
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, digits) == "" }

// isName reports whether s is 1 to most letters, digits and other characters.
func isName(s, other string, most int) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(other, c) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= most
}

// arn reads a task that goes to an ARN: it carries a JSON text, and nothing that HTTP alone has.
func (p *parser) arn(o object, d *Doc) {
	a, err := ParseARN(d.URI)
	switch {
	case err != nil:
	case p.checkARN == nil:
		err = errors.New("functions and state machines are not called here")
	default:
		err = p.checkARN(a)
	}
	if err == nil {
		err = p.allowed.Check(d.URI)
	}
	if err != nil {
		o.fault("uri", "%v", err)
	}
	if d.Method != http.MethodPost {
		o.fault("method", "does not go with an ARN, unless it is POST")
	}
	if len(d.Headers) > 0 {
		o.fault("headers", "do not go with an ARN: nothing carries them; put them into the body")
	}
	if d.Redirects > 0 {
		o.fault("redirects", "does not go with an ARN: AWS's services are called where they are")
	}
	for _, name := range []string{"successCodes", "successCode"} {
		if o.has(name) {
			o.fault(name, "does not go with an ARN: AWS's own status says nothing of the work; a function fails, or answers with a Dispatch-Outcome")
		}
	}
	if a.Service != StatesService {
		return
	}
	const tooLarge = "is too large for a state machine: %d bytes at most"
	if len(d.Body) > maxStatesInput {
		o.fault("body", tooLarge, maxStatesInput)
	}
	if len(d.Claims) > maxStatesInput*3/4 { // as a JWT they grow by a third
		o.fault("claims", tooLarge, maxStatesInput*3/4)
	}
}
