// Package rawclient asks a store directly, behind the back of the code under
// test: for what tests do as others who use the bucket, and for what they look
// at. Beside the S3 store itself it is the only package that knows the SDK.
package rawclient

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A Store says where a store is, and whose keys to use.
type Store struct {
	Endpoint, Region, AccessKey, SecretKey string
	HTTP                                   *http.Client
}

// A Client asks one store. The SDK's own client, with all of S3's operations, is
// there for the tests of the S3 store.
type Client struct {
	*s3.Client
	store Store
}

// New returns a client.
func New(store Store) *Client {
	return &Client{store: store, Client: s3.New(s3.Options{
		BaseEndpoint:     &store.Endpoint,
		UsePathStyle:     true,
		Region:           store.Region,
		Credentials:      credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
		HTTPClient:       store.HTTP,
		RetryMaxAttempts: 5,
		DisableLogOutputChecksumValidationSkipped: true,
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
	})}
}

// An Answer is what a store has sent.
type Answer struct {
	Header http.Header
	Body   []byte
}

// An Error is an answer that says no. bucket.Code returns its code.
type Error struct {
	XMLName xml.Name `xml:"Error"`
	Status  int      `xml:"-"`
	Named   string   `xml:"Code"`
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Named, e.Message) }

// Code is for bucket.Code.
func (e *Error) Code() string { return e.Named }

// Call sends one request, once, and returns the answer, or an *Error. The target
// is what comes after the endpoint, such as bucket/key?tagging; header are names
// and values by turns.
func (c *Client) Call(ctx context.Context, method, target, body string, header ...string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.store.Endpoint+"/"+target, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Accept-Encoding", "identity") // signed, as the SDK's clients do
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	if body != "" {
		sum := md5.Sum([]byte(body))
		request.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256([]byte(body))
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	if err := Sign(request, c.store); err != nil {
		return Answer{}, err
	}
	response, err := c.store.HTTP.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	answer := Answer{Header: response.Header}
	if answer.Body, err = io.ReadAll(response.Body); err != nil {
		return answer, err
	}
	return answer, refusal(response, answer.Body)
}

// refusal returns the error that an answer is, nil if it is none. One may come
// with a good status.
func refusal(response *http.Response, body []byte) error {
	refused := Error{Status: response.StatusCode}
	parsed := xml.Unmarshal(body, &refused) == nil
	if response.StatusCode < 300 && !parsed {
		return nil
	}
	if refused.Named == "" { // a HEAD has no body
		refused.Named = strings.ReplaceAll(http.StatusText(response.StatusCode), " ", "")
	}
	return &refused
}

// Sign signs a request, whose header X-Amz-Content-Sha256 is set.
func Sign(r *http.Request, store Store) error {
	r.Header.Del("Authorization")
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(r.Context(),
		aws.Credentials{AccessKeyID: store.AccessKey, SecretAccessKey: store.SecretKey},
		r, r.Header.Get("X-Amz-Content-Sha256"), "s3", store.Region, time.Now())
}

// read sends a GET and parses the answer into what result points to.
func (c *Client) read(ctx context.Context, target string, result any) error {
	answer, err := c.Call(ctx, http.MethodGet, target, "")
	if err != nil {
		return err
	}
	return xml.NewDecoder(bytes.NewReader(answer.Body)).Decode(result)
}
