// Package look is what the pages of the console and of the documentation have in common: colours and the icon.
package look

import _ "embed"

// Colours are the custom properties that style sheets name; they go before those.
//
//go:embed colours.css
var Colours []byte

// Icon is an SVG.
//
//go:embed icon.svg
var Icon []byte
