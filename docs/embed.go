// Package docs holds what is written for people. Its tests hold the texts to the code.
package docs

import "embed"

// Texts are the texts as they are written, for who shows them without the internet.
//
//go:embed *.md
var Texts embed.FS
