// Package docs holds what is written for people. Its tests hold the texts to the code.
package docs

import "embed"

// Texts are the texts as they are written, with their pictures.
//
//go:embed *.md adr/*.md img
var Texts embed.FS
