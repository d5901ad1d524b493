package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"

	"github.com/CycloneDX/cyclonedx-go"
)

// sbom returns the components of binary in CycloneDX's JSON. It has no serial number and no time, which would differ
// between two builds.
func sbom(r *release, binary string, modules []module) ([]byte, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	program := cyclonedx.Component{
		BOMRef:     "gatewheel",
		Type:       cyclonedx.ComponentTypeApplication,
		Name:       "gatewheel",
		Version:    r.version,
		PackageURL: "pkg:golang/github.com/gatewheel/gatewheel@" + r.version + "#cmd/gatewheel",
		Hashes:     &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		Licenses:   licensed("Apache-2.0"),
	}
	var components []cyclonedx.Component
	var references []string
	var dependencies []cyclonedx.Dependency
	for _, m := range modules {
		url := "pkg:golang/" + m.path + "@" + m.version
		component := cyclonedx.Component{
			BOMRef:     url,
			Type:       cyclonedx.ComponentTypeLibrary,
			Name:       m.path,
			Version:    m.version,
			PackageURL: url,
			Licenses:   licensed(m.license),
		}
		if m.sha256 != "" {
			component.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: m.sha256}}
		}
		components = append(components, component)
		references = append(references, url)
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: url})
	}
	dependencies = append(dependencies, cyclonedx.Dependency{Ref: program.BOMRef, Dependencies: &references})

	list := cyclonedx.NewBOM()
	list.Metadata = &cyclonedx.Metadata{Component: &program}
	list.Components = &components
	list.Dependencies = &dependencies
	var text bytes.Buffer
	encoder := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.EncodeVersion(list, cyclonedx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func licensed(identifier string) *cyclonedx.Licenses {
	return &cyclonedx.Licenses{{License: &cyclonedx.License{ID: identifier}}}
}
