/** Values → the parts of Config about Azure Blob Storage and Google Cloud Storage. */
import { resolve } from 'node:path'
import type { AzureConfig, GcsConfig } from './config.ts'
import type { Listener } from './environment.ts'
import type { Values } from './validate.ts'

type Report = Listener['problem']

/** Where a container is; what is missing goes to the listener. */
export function buildAzure(values: Values, { problem }: Pick<Listener, 'problem'>): AzureConfig {
  const container = required(values, 'storage.azure.container', 'the name of the container', problem)
  const realm = values.get('storage.azure.realm')
  const account = values.has('storage.azure.connection') ? readConnection(values, problem) : readAccount(values, problem)
  const { accountName, credentials } = account
  return {
    accountName,
    container,
    endpoint: (values.get('storage.azure.endpoint') ?? account.endpoint).replace(/\/+$/, ''),
    authority: authorities.find(([end]) => realm.endsWith(end))?.[1] ?? 'https://login.microsoftonline.com',
    credentials,
    prefix: prefixOf(values.get('storage.azure.rootdirectory')),
  }
}

type Account = Pick<AzureConfig, 'accountName' | 'endpoint' | 'credentials'>

function readAccount(values: Values, problem: Report): Account {
  const accountName = required(values, 'storage.azure.accountname', 'the name of the storage account', problem)
  const endpoint = `https://${accountName}.blob.${values.get('storage.azure.realm')}`
  return { accountName, endpoint, credentials: azureCredentials(values, problem) }
}

const authorities: readonly (readonly [realm: string, authority: string])[] = [
  ['chinacloudapi.cn', 'https://login.chinacloudapi.cn'],
  ['usgovcloudapi.net', 'https://login.microsoftonline.us'],
]

function azureCredentials(values: Values, problem: Report): AzureConfig['credentials'] {
  const accountKey = values.get('storage.azure.accountkey') ?? ''
  const kind = values.get('storage.azure.credentials.type') ?? (accountKey === '' ? 'default_credentials' : 'shared_key')
  if (kind === 'shared_key') {
    const path = 'storage.azure.accountkey'
    if (accountKey === '' || !isBase64(accountKey)) problem({ path, expected: 'the key of the account, in Base64' })
    return { kind, accountKey }
  }
  const clientId = values.get('storage.azure.credentials.clientid')
  if (kind === 'default_credentials') return { kind, clientId }
  const member = (name: 'clientid' | 'tenantid' | 'secret') =>
    required(values, `storage.azure.credentials.${name}`, 'a value, for client_secret', problem)
  return { kind, clientId: member('clientid'), tenantId: member('tenantid'), secret: member('secret') }
}

/** `Name=value;Name=value`, as the portal shows it; a value may have `=` in it. */
function readConnection(values: Values, problem: Report): Account {
  const path = 'storage.azure.connection'
  for (const other of ['storage.azure.accountkey', 'storage.azure.credentials.type'] as const)
    if (values.has(other)) problem({ path: other, expected: 'nothing beside storage.azure.connection' })
  const members = new Map(
    (values.get(path) ?? '').split(';').flatMap((member) => {
      const [name = '', ...value] = member.trim().split('=')
      return name === '' ? [] : [[name.toLowerCase(), value.join('=')] as const]
    }),
  )
  const accountName = members.get('accountname') ?? values.get('storage.azure.accountname') ?? ''
  const endpoint = endpointOf(members, accountName, values.get('storage.azure.realm'))
  const credentials = credentialsOf(members, accountName)
  if (credentials === undefined || !/^https?:\/\/[^/]/i.test(endpoint) || !URL.canParse(endpoint))
    problem({ path, expected: 'a connection string with AccountName and AccountKey, or BlobEndpoint and SharedAccessSignature' })
  return { accountName, endpoint, credentials: credentials ?? { kind: 'sas', token: '' } }
}

function endpointOf(members: ReadonlyMap<string, string>, accountName: string, realm: string): string {
  const own = members.get('blobendpoint')
  if (own !== undefined || accountName === '') return own ?? ''
  return `${members.get('defaultendpointsprotocol') ?? 'https'}://${accountName}.blob.${members.get('endpointsuffix') ?? realm}`
}

function credentialsOf(members: ReadonlyMap<string, string>, accountName: string): AzureConfig['credentials'] | undefined {
  const accountKey = members.get('accountkey') ?? ''
  if (isBase64(accountKey) && accountName !== '') return { kind: 'shared_key', accountKey }
  const token = members.get('sharedaccesssignature')?.replace(/^\?/, '')
  return token === undefined ? undefined : { kind: 'sas', token }
}

/** Where a bucket is; what is missing goes to the listener. */
export function buildGcs(values: Values, cwd: string, { problem }: Pick<Listener, 'problem'>): GcsConfig {
  return {
    bucket: required(values, 'storage.gcs.bucket', 'the name of the bucket', problem),
    endpoint: (values.get('storage.gcs.endpoint') ?? 'https://storage.googleapis.com').replace(/\/+$/, ''),
    credentials: gcsCredentials(values, cwd, problem),
    prefix: prefixOf(values.get('storage.gcs.rootdirectory')),
    // A file of registry:2 may say less than the service takes as a part.
    partBytes: Math.max(values.get('storage.gcs.chunksize'), 5 * 1024 ** 2),
  }
}

function gcsCredentials(values: Values, cwd: string, problem: Report): GcsConfig['credentials'] {
  const file = values.get('storage.gcs.keyfile')
  const members = values.get('storage.gcs.credentials')
  const isAnonymous = values.get('storage.gcs.anonymous')
  const given = [file !== undefined, members !== undefined, isAnonymous]
  if (given.filter(Boolean).length > 1)
    problem({ path: 'storage.gcs', expected: 'one of keyfile, credentials and anonymous', found: 'several' })
  if (isAnonymous) return { kind: 'none' }
  if (members !== undefined) return { kind: 'written', members }
  return file === undefined ? { kind: 'default' } : { kind: 'file', file: resolve(cwd, file) }
}

type TextPath =
  | 'storage.azure.accountname'
  | 'storage.azure.container'
  | 'storage.gcs.bucket'
  | 'storage.azure.credentials.clientid'
  | 'storage.azure.credentials.tenantid'
  | 'storage.azure.credentials.secret'

function required(values: Values, path: TextPath, expected: string, problem: Report): string {
  const value = values.get(path) ?? ''
  // What stands there and does not fit is told already.
  if (value === '' && !values.has(path)) problem({ path, expected })
  return value
}

function isBase64(value: string): boolean {
  return value !== '' && /^[A-Za-z0-9+/]+={0,2}$/.test(value)
}

function prefixOf(rootDirectory: string): string {
  const root = rootDirectory.replace(/^\/+|\/+$/g, '')
  return root === '' ? '' : `${root}/`
}
