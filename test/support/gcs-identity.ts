/** The service account of the double of Google Cloud Storage: its key, and whether a token or a URL is signed with it. Written from Google's pages, apart from the signer. */
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** As Google's JSON file has it. */
export interface ServiceAccount {
  readonly type: 'service_account'
  readonly project_id: string
  readonly private_key_id: string
  readonly private_key: string
  readonly client_email: string
  readonly client_id: string
}

/** An account with a key of its own. */
export function makeAccount(): ServiceAccount {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    type: 'service_account',
    project_id: 'double',
    private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: 'berth@double.iam.gserviceaccount.com',
    client_id: '1',
  }
}

/** What is wrong with a bearer token: one that the account signed itself, for the storage service. */
export function tokenFault(account: ServiceAccount, authorization = ''): string | undefined {
  const [, head = '', body = '', signature = ''] = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization) ?? []
  if (head === '') return 'no token'
  if (!isSigned(account, `${head}.${body}`, Buffer.from(signature, 'base64url'))) return 'a token of somebody else'
  return claimsFault(account, JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>)
}

function claimsFault(account: ServiceAccount, { iss, sub, iat, exp, scope, aud }: Record<string, unknown>): string | undefined {
  const now = Date.now() / 1_000
  if (iss !== account.client_email || sub !== account.client_email) return 'a token for somebody else'
  if (Number(iat) > now + 60 || Number(exp) < now) return 'a token that ended'
  const isForStorage = String(scope).includes('/auth/devstorage.') || aud === 'https://storage.googleapis.com/'
  return isForStorage ? undefined : 'a token for something else'
}

/** What is wrong with a V4 signed URL. */
export function urlFault(account: ServiceAccount, { method = '', url = '', headers }: IncomingMessage): string | undefined {
  const { pathname, search, searchParams } = new URL(url, 'http://double')
  const value = (name: string) => searchParams.get(`X-Goog-${name}`) ?? ''
  const time = value('Date')
  const scope = `${time.slice(0, 8)}/auto/storage/goog4_request`
  if (value('Algorithm') !== 'GOOG4-RSA-SHA256' || value('Credential') !== `${account.client_email}/${scope}`) return 'another credential'
  const seconds = Number(value('Expires'))
  // 20261121T090507Z as ISO 8601 has it in full.
  const startsAt = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
  if (!(seconds > 0 && seconds <= 604_800) || !(Date.now() < startsAt + seconds * 1_000)) return 'a URL that ended'
  const pairs = search.slice(1).split('&')
  const query = pairs.filter((pair) => !pair.startsWith('X-Goog-Signature=')).toSorted()
  const canonical = [method, pathname, query.join('&'), `host:${headers.host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n')
  const signed = ['GOOG4-RSA-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  return isSigned(account, signed, Buffer.from(value('Signature'), 'hex')) ? undefined : 'SignatureDoesNotMatch'
}

function isSigned(account: ServiceAccount, text: string, signature: Buffer): boolean {
  return verify('RSA-SHA256', Buffer.from(text), createPublicKey(account.private_key), signature)
}
