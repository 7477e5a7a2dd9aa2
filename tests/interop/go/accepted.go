// Which libraries of Go accept the server's tokens, by algorithm. Each line of the table in
// docs/interop.md is an outcome of this program, so a change on either side shows there.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc"
	"github.com/golang-jwt/jwt"
	jose "gopkg.in/square/go-jose.v2"
	josejwt "gopkg.in/square/go-jose.v2/jwt"
)

// The audience of the tokens of the confidential client `shop`.
const audience = "https://tank.example"

var (
	issuer    = os.Getenv("INTEROP_ISSUER")
	algorithm = os.Getenv("INTEROP_ALGORITHM")
)

// The subject that each library reads from a token.
var readers = []struct {
	library, reads string
	subject        func(token string) (string, error)
}{
	{"golang-jwt, go-jose", "key set", golangJwt},
	{"go-jose", "key set", goJose},
	{"go-oidc", "metadata", goOidc},
}

func keySet() (keys jose.JSONWebKeySet, err error) {
	response, err := http.Get(issuer + "/.well-known/jwks.json")
	if err != nil {
		return keys, err
	}
	defer response.Body.Close()
	return keys, json.NewDecoder(response.Body).Decode(&keys)
}

func key(id string) (interface{}, error) {
	keys, err := keySet()
	if err != nil {
		return nil, err
	}
	found := keys.Key(id)
	if len(found) != 1 {
		return nil, fmt.Errorf("%d keys with the id %s", len(found), id)
	}
	return found[0].Key, nil
}

// The key set is parsed by go-jose, because this library has nothing for it.
func golangJwt(token string) (string, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}))
	_, err := parser.ParseWithClaims(token, claims, func(read *jwt.Token) (interface{}, error) {
		id, _ := read.Header["kid"].(string)
		return key(id)
	})
	if err != nil {
		return "", err
	}
	if !claims.VerifyIssuer(issuer, true) || !claims.VerifyAudience(audience, true) {
		return "", errors.New("wrong issuer or audience")
	}
	return claims["sub"].(string), nil
}

func goJose(token string) (string, error) {
	read, err := josejwt.ParseSigned(token)
	if err != nil {
		return "", err
	}
	if read.Headers[0].Algorithm != algorithm {
		return "", errors.New("wrong algorithm")
	}
	found, err := key(read.Headers[0].KeyID)
	if err != nil {
		return "", err
	}
	claims := josejwt.Claims{}
	if err := read.Claims(found, &claims); err != nil {
		return "", err
	}
	expected := josejwt.Expected{Issuer: issuer, Audience: josejwt.Audience{audience}}
	return claims.Subject, claims.Validate(expected.WithTime(time.Now()))
}

// Written for ID tokens; many services and gateways use it for access tokens.
func goOidc(token string) (string, error) {
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return "", err
	}
	config := oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{algorithm}}
	read, err := provider.Verifier(&config).Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return read.Subject, nil
}

// A client credentials token of `shop`, requested without a library.
func ownToken() (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	body := strings.NewReader(form.Encode())
	request, err := http.NewRequest("POST", issuer+"/oauth2/token", body)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("shop", os.Getenv("INTEROP_SECRET"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	granted := struct {
		Token string `json:"access_token"`
	}{}
	err = json.NewDecoder(response.Body).Decode(&granted)
	if err == nil && granted.Token == "" {
		err = errors.New(response.Status)
	}
	return granted.Token, err
}

// The token with one bit of its signature changed.
func modified(token string) (string, error) {
	at := strings.LastIndex(token, ".") + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[at:])
	if err != nil {
		return "", err
	}
	signature[len(signature)/2] ^= 1
	return token[:at] + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Prints a line of the table. What is not accepted must be rejected with an error.
func givesAnAnswer(library, reads string, subject func(string) (string, error)) error {
	token, err := ownToken()
	if err != nil {
		return err
	}
	found, err := subject(token)
	outcome := "yes"
	if err != nil {
		outcome = "no"
		fmt.Printf("  %s: %v\n", library, err)
	} else if found != "shop" {
		return fmt.Errorf("the subject is %q", found)
	}
	fmt.Printf("accepted | %s | %s | %s | %s\n", library, reads, algorithm, outcome)
	token, err = modified(token)
	if err != nil {
		return err
	}
	if _, err := subject(token); err == nil {
		return errors.New("a modified signature is accepted")
	}
	return nil
}

// Runs all checks, and exits with status 1 if any failed.
func run() {
	failed := 0
	for _, it := range readers {
		name := it.library + " gives an answer, and rejects a modified signature"
		if err := givesAnAnswer(it.library, it.reads, it.subject); err != nil {
			failed++
			fmt.Printf("%v\nFAILED %s\n", err, name)
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
	fmt.Printf("%d passed, %d failed\n", len(readers)-failed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

func main() {
	run()
}
