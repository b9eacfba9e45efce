package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tillstream/tillstream/docs"
	"github.com/tillstream/tillstream/docs/pages"
)

type docsCmd struct {
	Dir string `arg:"" help:"Folder to write to; files of the same names are replaced." type:"path"`
}

func (*docsCmd) Help() string {
	return `The documentation of this very version, as pages that need no internet. run and demo show it too, at /docs/.

  tillstream docs site && xdg-open site/index.html`
}

func (c *docsCmd) Run(e *env) error {
	files, err := pages.Render(docs.Texts, versionString())
	if err != nil {
		return err
	}
	for name, content := range files {
		to := filepath.Join(c.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("writing the documentation: %w", err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return fmt.Errorf("writing the documentation: %w", err)
		}
	}
	_, err = fmt.Fprintf(e.stdout, "%d files in %s; begin with index.html\n", len(files), c.Dir)
	return err
}
