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

\`detail\` says what was wrong with this request. An answer of 500 and above has no detail but the request id, under which the log has the cause.
The codes are those of the OCI distribution-spec and of Docker's V2 API, then Berth's own.

| code | status | message | what to do |
|---|---|---|---|
${rows.join('\n')}

Where Berth differs from registry:2: a missing upload is \`BLOB_UPLOAD_UNKNOWN\` for whatever reason it is missing; deleting a blob that a manifest of the
repository needs is refused with \`BLOB_IN_USE\`; a manifest over the limit (\`limits.manifestbytes\`, 4 MiB) is
\`MANIFEST_INVALID\` with status 413; a full disk is 507, and says so.
`
}
