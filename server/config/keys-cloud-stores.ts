/** The keys of `storage.azure` and `storage.gcs`. */
import { acts, inert, optional, type Section } from './key.ts'
import { isEndpoint } from './keys-object-stores.ts'
import { anything, boolean, integer, mapOf, oneOf, size, text, textLike } from './value-types.ts'

const mebibyte = 1024 ** 2

const serviceUrl = textLike(
  'a URL that begins with https:// or http://',
  (value) => /^https?:\/\//i.test(value) && isEndpoint(value) && new URL(value).search === '',
)
const containerName = textLike('the name of a container', (value) => /^(?:\$root|[a-z0-9](?:-?[a-z0-9]){2,62})$/.test(value))
const bucketName = textLike('the name of a bucket', (value) => /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(value))
const accountName = textLike('the name of a storage account', (value) => /^[a-z0-9]{3,24}$/.test(value))
const repeated = 'requests are repeated by the rules of all object stores'

/** Every map that the keys of this file stand in. */
export const cloudStoreSections = {
  'storage.azure': { doc: 'The driver for Azure Blob Storage. It needs a `database` of its own.' },
  'storage.azure.credentials': { doc: 'Who Berth is for Azure, where that is not the account key.' },
  'storage.gcs': { doc: 'The driver for Google Cloud Storage. It needs a `database` of its own.' },
} as const satisfies Record<string, Section>

/** Every key of `storage.azure` and `storage.gcs`. */
export const allCloudStoreKeys = {
  'storage.azure.accountname': optional(accountName, 'The storage account.'),
  'storage.azure.accountkey': optional(text, 'A key of the account. Without it `credentials` say who Berth is.', { secret: true }),
  'storage.azure.connection': optional(
    text,
    'Berth’s own. A connection string as the portal shows it, with an account key or a shared access signature, in place of `accountname` and `accountkey`.',
    { secret: true },
  ),
  'storage.azure.container': optional(containerName, 'The container. It must be there.'),
  'storage.azure.rootdirectory': acts(text, '', 'Before the name of every object, for a container that others use too.'),
  'storage.azure.realm': acts(text, 'core.windows.net', 'The cloud: `core.chinacloudapi.cn` and `core.usgovcloudapi.net` are others.'),
  'storage.azure.endpoint': optional(
    serviceUrl,
    'Berth’s own. The blob service, where it is not `https://<accountname>.blob.<realm>`; with the account in the path where the service wants it there.',
  ),
  'storage.azure.credentials.type': optional(
    oneOf('shared_key', 'client_secret', 'default_credentials'),
    '`client_secret`: an application with a secret. `default_credentials`: what stands in the environment (`AZURE_TENANT_ID` …), a token that Kubernetes mounts (workload identity), or the managed identity of the machine.',
    { defaultText: '`shared_key` with `accountkey`, else `default_credentials`' },
  ),
  'storage.azure.credentials.clientid': optional(text, 'The application; with `default_credentials`, which managed identity.'),
  'storage.azure.credentials.tenantid': optional(text, 'The tenant of the application.'),
  'storage.azure.credentials.secret': optional(text, 'The secret of the application.', { secret: true }),
  'storage.azure.max_retries': inert('ignored', integer(), repeated),
  'storage.azure.retry_delay': inert('ignored', anything, repeated),
  'storage.gcs.bucket': optional(bucketName, 'The bucket. It must be there.'),
  'storage.gcs.keyfile': optional(
    text,
    'The JSON file of a service account’s key, or of workload identity federation. Relative to the working directory. Without it, and `credentials`, Google’s own order: `GOOGLE_APPLICATION_CREDENTIALS`, gcloud’s, the machine’s account.',
  ),
  'storage.gcs.credentials': optional(
    mapOf(anything),
    'The same as `keyfile`, written here: the members of the JSON file that Google gives.',
    { secret: true },
  ),
  'storage.gcs.rootdirectory': acts(text, '', 'Before the name of every object, for a bucket that others use too.'),
  'storage.gcs.chunksize': acts(
    size(256 * 1024),
    16 * mebibyte,
    'Size of the parts that an upload is stored in, 5 MiB at least. It doubles after each thousand parts, so that 10,000 hold the largest object.',
  ),
  'storage.gcs.maxconcurrency': inert('ignored', integer(), 'requests are bounded by connections, and by the memory for uploads'),
  'storage.gcs.endpoint': optional(serviceUrl, 'Berth’s own. The service, where it is not `https://storage.googleapis.com`.'),
  'storage.gcs.anonymous': acts(boolean, false, 'Berth’s own. Send no credentials: for emulators.'),
}
