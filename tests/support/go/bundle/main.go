// bundle says what the tools of OLM find in a bundle: its checks are those of `operator-sdk bundle validate`, with the
// optional ones, and of `opm render` and `opm validate` for a catalog with the bundle in it. Left out is the check
// `multiarch`: it has a container tool pull the image, which is not published yet.
//
//	bundle DIRECTORY DOCKERFILE
//
// It prints a list in JSON, of objects with the keys level, check and text, and ends with 0 whatever it found.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/template"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	"github.com/operator-framework/api/pkg/validation/errors"
	"github.com/operator-framework/api/pkg/validation/interfaces"
	"github.com/operator-framework/operator-registry/alpha/action"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/pkg/lib/bundle"
	"github.com/sirupsen/logrus"
)

type finding struct {
	Level string `json:"level"`
	Check string `json:"check"`
	Text  string `json:"text"`
}

var checks = map[string]validator.Validator{
	"default":              validation.DefaultBundleValidators,
	"operatorhub/v2":       validation.OperatorHubV2Validator,
	"standardcategories":   validation.StandardCategoriesValidator,
	"standardcapabilities": validation.StandardCapabilitiesValidator,
	"bundle-objects":       validation.ObjectValidator,
	"community":            validation.CommunityOperatorValidator,
	"alpha-deprecated":     validation.AlphaDeprecatedAPIsValidator,
	"good-practices":       validation.GoodPracticesValidator,
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bundle DIRECTORY DOCKERFILE")
		os.Exit(2)
	}
	logrus.SetOutput(io.Discard)
	found := append(format(os.Args[1]), rules(os.Args[1], os.Args[2])...)
	if err := catalog(os.Args[1]); err != nil {
		found = append(found, finding{"error", "catalog", err.Error()})
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}

// format says whether the files are where a bundle has them, and of kinds that OLM takes.
func format(directory string) []finding {
	found := []finding{}
	image := bundle.NewImageValidator(nil, logrus.NewEntry(logrus.StandardLogger()))
	if err := image.ValidateBundleFormat(directory); err != nil {
		found = append(found, finding{"error", "format", err.Error()})
	}
	if err := image.ValidateBundleContent(filepath.Join(directory, bundle.ManifestsDir)); err != nil {
		found = append(found, finding{"error", "content", err.Error()})
	}
	return found
}

func rules(directory, dockerfile string) (found []finding) {
	read, err := manifests.GetBundleFromDir(directory)
	if err != nil {
		return []finding{{"error", "read", err.Error()}}
	}
	// What most of the checks look at is the bundle, and the default ones look at its parts, too.
	objects := []interface{}{read, read.CSV, map[string]string{"index-path": dockerfile}}
	for _, crd := range read.V1CRDs {
		objects = append(objects, crd)
	}
	for name, check := range checks {
		for _, result := range check.Validate(objects...) {
			for _, each := range append(result.Errors, result.Warnings...) {
				found = append(found, finding{level(each), name, each.Error()})
			}
		}
	}
	return found
}

func level(found errors.Error) string {
	if found.Level == errors.LevelWarn {
		return "warning"
	}
	return "error"
}

// catalog puts the bundle into a catalog, and reads that as the server of a catalog does.
func catalog(directory string) error {
	image := template.Must(template.New("image").Parse("registry.example.com/{{.Package}}-bundle:v{{.Version}}"))
	render := action.Render{
		Refs: []string{directory}, AllowedRefMask: action.RefBundleDir, ImageRefTemplate: image,
	}
	made, err := render.Run(context.Background())
	if err != nil {
		return err
	}
	read, err := manifests.GetBundleFromDir(directory)
	if err != nil {
		return err
	}
	made.Packages = []declcfg.Package{
		{Schema: declcfg.SchemaPackage, Name: read.Package, DefaultChannel: read.DefaultChannel},
	}
	for _, name := range read.Channels {
		made.Channels = append(made.Channels, declcfg.Channel{
			Schema: declcfg.SchemaChannel, Name: name, Package: read.Package,
			Entries: []declcfg.ChannelEntry{{Name: read.CSV.GetName()}},
		})
	}
	_, err = declcfg.ConvertToModel(*made)
	return err
}
