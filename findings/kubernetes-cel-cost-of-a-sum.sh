#!/usr/bin/env bash
# Kubernetes 1.29: a CEL rule that sums over a map is refused as boundless, however small the map is.
#
# The API server estimates what a rule of a custom resource definition may cost, and asks for maxProperties and maxLength
# where it may cost much. In 1.29 they do not help a sum: of the list that map() makes it knows no size, so ten values of
# a hundred characters exceed the budget "by factor of more than 100x". The same rule with all() is accepted. A newer
# Kubernetes accepts both, so the definition that worked there cannot be installed in the old one.
#
# k8s.io/apiextensions-apiserver 0.29.15 and 0.37.2, whose validation the API server uses, from the Go module proxy.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
export GOFLAGS=-mod=mod
cat >"$work/main.go" <<'END'
package main

import (
	"context"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
)

func definition(rule string) *apiextensions.CustomResourceDefinition {
	count, length, keep := int64(10), int64(100), false
	values := apiextensions.JSONSchemaProps{Type: "string", MaxLength: &length}
	labels := apiextensions.JSONSchemaProps{
		Type:                 "object",
		MaxProperties:        &count,
		AdditionalProperties: &apiextensions.JSONSchemaPropsOrBool{Allows: true, Schema: &values},
		XValidations:         apiextensions.ValidationRules{{Rule: rule}},
	}
	schema := apiextensions.JSONSchemaProps{
		Type:       "object",
		Properties: map[string]apiextensions.JSONSchemaProps{"labels": labels},
	}
	return &apiextensions.CustomResourceDefinition{
		ObjectMeta: v1.ObjectMeta{Name: "things.example.com"},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group:                 "example.com",
			Scope:                 apiextensions.NamespaceScoped,
			Names:                 apiextensions.CustomResourceDefinitionNames{Plural: "things", Singular: "thing", Kind: "Thing", ListKind: "Things"},
			Versions:              []apiextensions.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true}},
			Validation:            &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &schema},
			PreserveUnknownFields: &keep,
		},
		Status: apiextensions.CustomResourceDefinitionStatus{StoredVersions: []string{"v1"}},
	}
}

func main() {
	for _, rule := range []string{
		"self.all(key, self[key].size() < 50)",
		"self.map(key, self[key].size()).sum() < 50",
	} {
		found := validation.ValidateCustomResourceDefinition(context.Background(), definition(rule))
		if len(found) == 0 {
			fmt.Println("accepted:", rule)
		} else {
			fmt.Println("refused: ", rule, "-", found[0].Detail)
		}
	}
}
END
judge() {
    mkdir "$work/$1"
    cp "$work/main.go" "$work/$1"
    (
        cd "$work/$1"
        go mod init example
        go get "k8s.io/apiextensions-apiserver@$1" "k8s.io/apimachinery@$1"
        go mod tidy
    ) >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    echo "$1"
    (cd "$work/$1" && go run .)
}
{
    judge v0.29.15
    judge v0.37.2
} | tee "$work/found"
diff - "$work/found" <<'END'
v0.29.15
accepted: self.all(key, self[key].size() < 50)
refused:  self.map(key, self[key].size()).sum() < 50 - estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
v0.37.2
accepted: self.all(key, self[key].size() < 50)
accepted: self.map(key, self[key].size()).sum() < 50
END
