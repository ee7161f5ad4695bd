package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/keyfile"
	"example.com/dispatch/pkg/dispatch/signature"
)

type keysCommand struct {
	New    keysNewCommand    `cmd:"" help:"Add a key, and so publish it; the first one signs calls at once."`
	List   keysListCommand   `cmd:"" help:"List the keys, and what each signs."`
	Rotate keysRotateCommand `cmd:"" help:"Have another key sign."`
	Retire keysRetireCommand `cmd:"" help:"Take a key out: what it signed verifies no more."`
	JWKS   keysJWKSCommand   `cmd:"" name:"jwks" help:"Print the public keys, as receivers read them."`
}

// keyFlags are those of every command that works on keys.
type keyFlags struct {
	File string `default:"dispatch.db-key.pem" type:"path" help:"The key file (${default}): JSON or PEM; a change writes JSON."`
}

type keysNewCommand struct {
	keyFlags
	Alg     string `default:"ES256" enum:"ES256,EdDSA,RS256,HS256,HS512" help:"ES256 or EdDSA; for claims alone also RS256, HS256 or HS512 (${default})."`
	Webhook string `placeholder:"ORIGIN" help:"Instead: a Standard Webhooks secret for the receivers at this origin."`
}

// Run adds a key to the file, which is made if there is none.
func (k keysNewCommand) Run(c console) error {
	return k.change(c, true, func(keys *signature.KeySet) (signature.KeyInfo, error) {
		if k.Webhook != "" {
			added, err := keys.AddWebhook(k.Webhook, time.Now())
			if err != nil {
				return signature.KeyInfo{}, fmt.Errorf("%w: --webhook: %w", errUsage, err)
			}
			return added, nil
		}
		key, err := signature.NewKeyFor(k.Alg)
		if err != nil {
			return signature.KeyInfo{}, err
		}
		return keys.Add(key, time.Now())
	})
}

// change changes the file's keys, and then says what became of one.
func (k keyFlags) change(c console, make bool, do func(*signature.KeySet) (signature.KeyInfo, error)) error {
	var info signature.KeyInfo
	err := keyfile.Change(k.File, make, func(keys *signature.KeySet) (err error) {
		info, err = do(keys)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, describeKey(info))
	return nil
}

func describeKey(k signature.KeyInfo) string {
	switch {
	case k.Origin != "":
		return k.ID + "  webhooks of " + k.Origin
	case k.Calls && k.Claims:
		return k.ID + "  signs calls and claims"
	case k.Calls:
		return k.ID + "  signs calls"
	case k.Claims:
		return k.ID + "  signs claims"
	case k.Algorithm == "HS256" || k.Algorithm == "HS512":
		return k.ID + "  does not sign; dispatch keys rotate has it sign claims"
	default:
		return k.ID + "  published, does not sign"
	}
}

type keysListCommand struct {
	keyFlags
	JSON bool `name:"json" help:"Write JSON, for programs."`
}

// Run prints what there is, and nothing secret.
func (k keysListCommand) Run(c console) error {
	keys, err := keyfile.Load(k.File)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.json(map[string][]signature.KeyInfo{"keys": keys.List()})
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ALG\tPUBLISHED\tREPLACED\tKEY")
	for _, info := range keys.List() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", info.Algorithm, when(info.Published), when(info.Replaced), describeKey(info))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

type keysRotateCommand struct {
	keyFlags
	ID     string        `arg:"" optional:"" help:"The key that signs from now on; the newest unless given."`
	Claims bool          `help:"It signs claims, and not calls."`
	Wait   time.Duration `default:"10m" help:"How long a key must have been published, so that all receivers have read it (${default})."`
}

// Validate is called by kong.
func (k keysRotateCommand) Validate() error {
	if k.Claims && k.ID == "" {
		return errors.New("--claims needs the key's id")
	}
	return nil
}

// Run has another key sign.
func (k keysRotateCommand) Run(c console) error {
	return k.change(c, false, func(keys *signature.KeySet) (signature.KeyInfo, error) {
		info, err := keys.Sign(k.ID, k.Claims, time.Now(), k.Wait)
		if errors.Is(err, signature.ErrNoKey) && k.ID == "" {
			err = fmt.Errorf("%w: no other key has been published: dispatch keys new makes one", errUsage)
		}
		return info, err
	})
}

type keysRetireCommand struct {
	keyFlags
	ID   string        `arg:"" help:"The key's id."`
	Wait time.Duration `default:"20m" help:"How long ago it must have been replaced, so that no call it signed is on its way (${default})."`
}

// Run takes a key out.
func (k keysRetireCommand) Run(c console) error {
	err := keyfile.Change(k.File, false, func(keys *signature.KeySet) error { return keys.Retire(k.ID, time.Now(), k.Wait) })
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s  retired\n", k.ID)
	return nil
}

type keysJWKSCommand struct{ keyFlags }

// Run prints the published set.
func (k keysJWKSCommand) Run(c console) error {
	keys, err := keyfile.Load(k.File)
	if err != nil {
		return err
	}
	return c.json(keys.Public())
}
