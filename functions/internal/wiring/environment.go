// Package wiring turns the environment of a Lambda function into what the verbs need: settings, AWS clients, the
// store and a log. It is the one place that reads the environment.
package wiring

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
)

// Environment is what a function's environment says. The template declares every variable, empty where it is not
// used, so that a local run can set it.
type Environment struct {
	Table          string // TABLE
	Stack          string // STACK: names this deployment among the metrics
	HandleFunction string // HANDLE_FUNCTION: name or ARN; "" in handle
	SweepFunction  string // SWEEP_FUNCTION: name or ARN; "" but in enqueue
	Function       string // AWS_LAMBDA_FUNCTION_NAME: the function's own name

	Retention      time.Duration      // RETENTION_DAYS, at least 1; 7 unless set
	TasksPerHandle int                // TASKS_PER_HANDLE, 1–100; 1 unless set
	SweepLimit     int                // SWEEP_LIMIT: hints of one sweep, or of all those that a tick is divided among, at least 1
	SweepParts     int                // SWEEP_PARTS: sweeps that a tick is divided among at most, 1–16; 4 unless set
	Precision      dispatch.Precision // PRECISION; second unless set

	Sign                bool   // SIGN: there is a signing key, so that tasks may have claims
	SigningKey          string // SIGNING_KEY: a key set as JSON or PEM, or a Secrets Manager secret's ARN; "" but in handle
	SigningKMSKey       string // SIGNING_KMS_KEY: ARN of the KMS key that signs calls; "" for none, and but in handle and keys
	SigningMode         string // SIGNING_MODE: jwt, webhooks or both; jwt unless set
	Issuer              string // ISSUER: the iss of what is signed
	EventBus            string // EVENT_BUS: name or ARN of the EventBridge bus that is told of failures; "" for none, and but in handle
	TargetFunctions     bool   // TARGET_FUNCTIONS: tasks may go to Lambda functions
	TargetStateMachines bool   // TARGET_STATE_MACHINES: and to state machines

	AllowedNetworks     []netip.Prefix // ALLOWED_NETWORKS: CIDRs, by commas; may be called besides public addresses, over plain http too
	HeaderSecretsPrefix string         // HEADER_SECRETS_PREFIX: headers may be secrets whose names begin so; "" for none

	PublishedKMSKeys []string // PUBLISHED_KMS_KEYS: ARNs of KMS keys, by commas, that are published and do not sign; but in keys none

	AllowedPorts []egress.Ports // ALLOWED_PORTS: ports and ranges of public addresses, by commas; empty for the usual ones

	get func(string) string
}

const (
	defaultSweepLimit = 100000
	defaultSweepParts = 4
	maxTasksPerHandle = 100
)

// Read reads the environment through get, which is os.Getenv but in tests. The error names every variable that
// cannot be used.
func Read(get func(string) string) (Environment, error) {
	r := reader{get: get}
	e := Environment{
		Table:          get("TABLE"),
		Stack:          get("STACK"),
		HandleFunction: get("HANDLE_FUNCTION"),
		SweepFunction:  get("SWEEP_FUNCTION"),
		Function:       get("AWS_LAMBDA_FUNCTION_NAME"),

		Retention:      time.Duration(r.number("RETENTION_DAYS", int(dispatch.DefaultRetention/day), 1, 3650)) * day,
		TasksPerHandle: r.number("TASKS_PER_HANDLE", 1, 1, maxTasksPerHandle),
		SweepLimit:     r.number("SWEEP_LIMIT", defaultSweepLimit, 1, 1<<30),
		SweepParts:     r.number("SWEEP_PARTS", defaultSweepParts, 1, dispatch.MaxParts),
		Precision:      r.precision(),

		Sign:            get("SIGN") == "true",
		SigningKey:      get("SIGNING_KEY"),
		SigningKMSKey:   get("SIGNING_KMS_KEY"),
		SigningMode:     r.signingMode(),
		Issuer:          get("ISSUER"),
		AllowedNetworks: r.networks(),
		AllowedPorts:    r.ports(),

		PublishedKMSKeys: strings.FieldsFunc(get("PUBLISHED_KMS_KEYS"), func(r rune) bool { return r == ',' || r == ' ' }),

		EventBus: get("EVENT_BUS"),

		HeaderSecretsPrefix: get("HEADER_SECRETS_PREFIX"),

		TargetFunctions:     get("TARGET_FUNCTIONS") == "true",
		TargetStateMachines: get("TARGET_STATE_MACHINES") == "true",

		get: get,
	}
	if e.Table == "" {
		r.fault("TABLE", "is required")
	}
	if get("AWS_REGION") == "" {
		r.fault("AWS_REGION", "is required")
	}
	return e, errors.Join(r.faults...)
}

const day = 24 * time.Hour

// reader reads variables and collects what is wrong with them.
type reader struct {
	get    func(string) string
	faults []error
}

func (r *reader) fault(name, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s %s", name, fmt.Sprintf(format, args...)))
}

func (r *reader) number(name string, fallback, least, most int) int {
	text := r.get(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fault(name, "must be a whole number from %d to %d, not %q", least, most, text)
		return fallback
	}
	return n
}

func (r *reader) precision() dispatch.Precision {
	switch p := dispatch.Precision(r.get("PRECISION")); p {
	case "":
		return dispatch.PrecisionSecond
	case dispatch.PrecisionSecond, dispatch.PrecisionMinute, dispatch.PrecisionAlways:
		return p
	default:
		r.fault("PRECISION", "must be second, minute or always, not %q", p)
		return dispatch.PrecisionSecond
	}
}

func (r *reader) signingMode() string {
	switch mode := r.get("SIGNING_MODE"); mode {
	case "":
		return "jwt"
	case "jwt", "webhooks", "both":
		return mode
	default:
		r.fault("SIGNING_MODE", "must be jwt, webhooks or both, not %q", mode)
		return "jwt"
	}
}

func (r *reader) ports() []egress.Ports {
	ports, err := egress.ParsePorts(r.get("ALLOWED_PORTS"))
	if err != nil {
		r.fault("ALLOWED_PORTS", "has %v", err)
	}
	return ports
}

func (r *reader) networks() []netip.Prefix {
	var networks []netip.Prefix
	for text := range strings.SplitSeq(r.get("ALLOWED_NETWORKS"), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			r.fault("ALLOWED_NETWORKS", "has %q, which is no network such as 10.0.0.0/8", text)
			continue
		}
		networks = append(networks, network)
	}
	return networks
}

// Egress returns where calls may go.
func (e Environment) Egress() egress.Options {
	return egress.Options{AllowedNetworks: e.AllowedNetworks, AllowedPorts: e.AllowedPorts}
}
