package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"example.com/dispatch/cmd/dispatch/internal/problem"
	"example.com/dispatch/cmd/dispatch/internal/settingsfile"
	"example.com/dispatch/pkg/dispatch"
)

func (a API) settings(w http.ResponseWriter, r *http.Request) {
	f, err := settingsfile.Load(r.Context(), a.Store)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answerSettings(w, f)
}

// apply replaces the settings, which take effect at once.
func (a API) apply(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	f, err := settingsfile.Parse(text)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	match, refused := r.Header.Get("If-Match"), http.StatusConflict
	if match != "" {
		refused = http.StatusPreconditionFailed
		if f.Version, err = matched(match); err != nil {
			problem.Status(w, http.StatusBadRequest, "If-Match: must be the ETag of GET /settings, or *")
			return
		}
	} else if f.Version == settingsfile.AnyVersion {
		problem.Status(w, http.StatusPreconditionRequired, "say which version these settings were made from: If-Match, or version in the body")
		return
	}
	saved, err := f.Save(r.Context(), a.Store)
	switch {
	case errors.Is(err, dispatch.ErrConflict):
		problem.Status(w, refused, "the settings have changed meanwhile; get them again")
	case err != nil:
		a.fail(w, r, err)
	default:
		a.Engine.SettingsChanged()
		answerSettings(w, saved)
	}
}

// matched reads the version that an If-Match names; * is any.
func matched(tag string) (int64, error) {
	if tag == "*" {
		return settingsfile.AnyVersion, nil
	}
	quoted, ok := strings.CutPrefix(tag, `"`)
	number, closed := strings.CutSuffix(quoted, `"`)
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || !closed || err != nil {
		return 0, errors.New("not an ETag of settings")
	}
	return int64(n), nil
}

func answerSettings(w http.ResponseWriter, f settingsfile.File) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(f.Version, 10)+`"`)
	answer(w, http.StatusOK, f)
}
