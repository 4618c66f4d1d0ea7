import { errorTable } from './errors.ts'

/** docs/reference/errors.md, from the error table; a test holds the file fresh and `npm run docs` writes it. */
export function documentErrors(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { status, message, remedy }]) => `| \`${code}\` | ${status} | ${message} | ${remedy} |`,
  )
  return `# Errors

Every refusal below /v2/ has this body, with one entry or more:

\`\`\`json
{ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": { "tag": "1.0" } }] }
\`\`\`

The management API below /api/v1 answers \`application/problem+json\` (RFC 9457) with the same codes; \`errors\` names the parts of the request that do not
fit. See [the API](../guides/api.md#errors).

\`\`\`json
{ "type": "urn:berth:error:conflict", "title": "…", "status": 409, "code": "CONFLICT", "detail": "…", "requestId": "…" }
\`\`\`

\`detail\` says what was wrong with this request, for people. \`facts\` says the same for programs, where there is something to say: an object whose members belong
to the code and the kind of refusal, such as what is missing, what holds the name, or what the limit is. Members may be added; without any there is no \`facts\`.

\`\`\`json
{ "code": "RESOURCE_UNKNOWN", "status": 404, "detail": "there is no robot 7, or you may not see it", "facts": { "kind": "robot", "name": "7" }, … }
{ "code": "DENIED", "status": 403, "detail": "you cannot give tag:delete, which …", "facts": { "permission": "tag:delete" }, … }
{ "code": "MANIFEST_UNKNOWN", "status": 404, "facts": { "digest": "sha256:…" }, … }
\`\`\`

An answer of 500 and above has no detail but the request id, under which the log has the cause.
The codes are those of the OCI distribution-spec and of Docker's V2 API, then Berth's own.

| code | status | message | what to do |
|---|---|---|---|
${rows.join('\n')}

Where Berth differs from registry:2: a missing upload is \`BLOB_UPLOAD_UNKNOWN\` for whatever reason it is missing; deleting a blob that a manifest of the
repository needs is refused with \`BLOB_IN_USE\`; a manifest over the limit (\`limits.manifestbytes\`, 4 MiB) is
\`MANIFEST_INVALID\` with status 413; a full disk is 507, and says so.
`
}
