/** A CI system as far as a registry sees it: an issuer that signs tokens about jobs and publishes its keys over HTTPS, on loopback. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

export interface CiIssuer extends AsyncDisposable {
  readonly issuer: string
  /** Of whoever signed its certificate. */
  readonly authorityFile: string
  /** The token of a job: GitHub's claims, with these laid over them. A claim that is undefined is left out. */
  jobToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** The same, signed by a key that the issuer does not have, under the id of the one that it has. */
  forgedToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
}

const keyId = 'key-of-the-test'

/** Of a job on the branch `main` of `team/web`, as GitHub Actions words it. */
const jobClaims = {
  sub: 'repo:team/web:ref:refs/heads/main',
  repository: 'team/web',
  repository_owner: 'team',
  repository_visibility: 'private',
  ref: 'refs/heads/main',
  ref_type: 'branch',
  event_name: 'push',
  workflow: 'release',
  job_workflow_ref: 'team/web/.github/workflows/release.yml@refs/heads/main',
  runner_environment: 'github-hosted',
}

/** Starts the issuer; its tokens last five minutes, as GitHub's do. */
export async function startCiIssuer(): Promise<CiIssuer> {
  const work = await temporaryDirectory('ci-issuer')
  const certificates = await makeCertificates(work.path, ['IP:127.0.0.1'])
  const [own, other] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')])
  const keys = [{ ...(await exportJWK(own.publicKey)), kid: keyId, alg: 'RS256', use: 'sig' }]
  const [cert, key] = await Promise.all([readFile(certificates.certificateFile), readFile(certificates.keyFile)])
  const server = createServer({ cert, key })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const documents: Readonly<Record<string, unknown>> = {
    '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: ['RS256'] },
    '/jwks': { keys },
  }
  server.on('request', ({ url = '' }, response) => {
    const document = documents[url]
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}))
  })
  const sign = (privateKey: Parameters<SignJWT['sign']>[0], claims: Readonly<Record<string, unknown>>) => {
    const now = Math.floor(Date.now() / 1000)
    const payload = { iss: issuer, iat: now, nbf: now, exp: now + 300, ...jobClaims, ...claims }
    return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: keyId }).sign(privateKey)
  }
  return {
    issuer,
    authorityFile: certificates.authorityFile,
    jobToken: (claims = {}) => sign(own.privateKey, claims),
    forgedToken: (claims = {}) => sign(other.privateKey, claims),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await work[Symbol.asyncDispose]()
    },
  }
}
