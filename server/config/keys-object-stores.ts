/** The keys of `storage.s3`, and of what all object stores share: redirects, a CDN, memory for uploads. */
import { isAddressRange } from '#lib/address-rules.ts'
import { acts, inert, optional, type Section } from './key.ts'
import { anything, boolean, duration, listOf, oneOf, pattern, size, text, textLike } from './value-types.ts'

const mebibyte = 1024 ** 2
const dayMs = 24 * 3_600_000

/** Of the key that a CDN shares: what can be guessed lets everybody forge URLs. */
export const cdnKeyBytesMin = 16

/** A URL with a scheme, or host and port. */
export function isEndpoint(value: string): boolean {
  const url = /^[a-z]+:\/\//i.test(value) ? value : `https://${value}`
  return value !== '' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}

const endpoint = textLike('a URL such as https://s3.example.com:8443, or host and port', isEndpoint)
const webUrl = textLike('a URL that begins with https:// or http://', (value) => /^https?:\/\//i.test(value) && URL.canParse(value))
const bucketName = textLike('the name of a bucket', (value) => /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(value))
const range = textLike('an address or a CIDR range', isAddressRange)

/** Every map that the keys of this file stand in. */
export const objectStoreSections = {
  'storage.s3': {
    doc: 'The driver for Amazon S3 and what speaks as it does (Ceph RGW, MinIO and others). It needs a `database` of its own.',
  },
  'storage.redirect': {
    doc: 'With an object store, blobs are fetched from there: a GET is answered with 307 and a URL that is good for a while. A HEAD never is.',
  },
  'storage.cdn': {
    doc: 'A content delivery network (or a cache such as nginx) before the object store, whose signed URLs redirects lead to.',
    own: true,
  },
} as const satisfies Record<string, Section>

const copied = 'nothing is copied in the store: an upload is written where it stays'

/** Every key of `storage.s3`, `storage.redirect` and `storage.cdn`, and the buffer. */
export const allObjectStoreKeys = {
  'storage.s3.accesskey': optional(
    text,
    'Without it, and `secretkey`, credentials come from AWS’s own sources: environment, profile, web identity, container, instance.',
    {
      secret: true,
    },
  ),
  'storage.s3.secretkey': optional(text, 'Belongs to `accesskey`.', { secret: true }),
  'storage.s3.sessiontoken': optional(text, 'Belongs to `accesskey`, where that is a temporary one.', { secret: true }),
  'storage.s3.region': optional(text, 'Needed for Amazon; with `regionendpoint`, what requests are signed for.', {
    defaultText: '`us-east-1` with `regionendpoint`',
  }),
  'storage.s3.regionendpoint': optional(endpoint, 'The service, where it is not Amazon’s.'),
  'storage.s3.redirectendpoint': optional(
    endpoint,
    'The service as clients reach it, where that is another address; it stands in redirects alone.',
  ),
  'storage.s3.forcepathstyle': optional(boolean, 'Whether the bucket stands in the path and not before the host name.', {
    defaultText: '`true` with `regionendpoint`, else `false`',
  }),
  'storage.s3.bucket': optional(bucketName, 'The bucket. It must be there.'),
  'storage.s3.encrypt': acts(boolean, false, 'Ask the store to encrypt objects: AES256, or aws:kms with `keyid`.'),
  'storage.s3.keyid': optional(text, 'The KMS key for `encrypt`.'),
  'storage.s3.secure': acts(boolean, true, 'HTTPS, where an endpoint has no scheme.'),
  'storage.s3.skipverify': acts(boolean, false, 'Do not check the certificate of the service: for trials only.'),
  'storage.s3.v4auth': inert('needless', boolean, 'Requests are signed with version 4 always.'),
  'storage.s3.chunksize': acts(
    size(5 * mebibyte),
    16 * mebibyte,
    'Size of the parts that an upload is stored in. It doubles after each thousand parts, so that 10,000 hold the largest object.',
  ),
  'storage.s3.multipartcopychunksize': inert('ignored', anything, copied),
  'storage.s3.multipartcopymaxconcurrency': inert('ignored', anything, copied),
  'storage.s3.multipartcopythresholdsize': inert('ignored', anything, copied),
  'storage.s3.rootdirectory': acts(text, '', 'Before the name of every object, for a bucket that others use too.'),
  'storage.s3.storageclass': optional(
    text,
    'The storage class of objects, such as INTELLIGENT_TIERING; `NONE` and nothing leave it to the bucket.',
  ),
  'storage.s3.useragent': optional(text, 'The User-Agent of requests to the service.'),
  'storage.s3.objectacl': optional(text, 'The canned ACL of objects. Without it none is sent, which means private.'),
  'storage.s3.accelerate': acts(boolean, false, 'Amazon’s transfer acceleration.'),
  'storage.s3.usedualstack': acts(boolean, false, 'Amazon’s endpoints for IPv4 and IPv6.'),
  'storage.s3.usefipsendpoint': acts(boolean, false, 'Amazon’s FIPS endpoints.'),
  'storage.s3.loglevel': inert('ignored', text, 'requests to the store are counted in metrics, and their faults logged'),
  'storage.redirect.disable': acts(boolean, false, 'Never redirect: blobs of an object store pass through Berth.'),
  'storage.redirect.except': acts(
    listOf(range),
    [],
    'Berth’s own. Networks of clients that are not redirected, for they do not reach the object store.',
    { defaultText: '`[]`' },
  ),
  'storage.redirect.useragents': acts(
    listOf(pattern),
    [],
    'Berth’s own. Clients whose User-Agent matches one of these regular expressions are not redirected.',
    { defaultText: '`[]`' },
  ),
  'storage.redirect.lifetime': acts(
    duration({ minimumMs: 1_000, maximumMs: 7 * dayMs, needsUnit: true }),
    20 * 60_000,
    'Berth’s own. How long a redirect’s URL is good. A transfer that has begun goes on beyond it.',
  ),
  'storage.cdn.url': optional(webUrl, 'Where the CDN serves the objects of the store; the name of the object is appended.'),
  'storage.cdn.kind': acts(
    oneOf('hmac', 'cloudfront'),
    'hmac',
    'How its URLs are signed: `hmac` as docs/guides/s3.md says, or Amazon CloudFront’s canned policy.',
  ),
  'storage.cdn.key': optional(text, 'The key that both sides share, for `hmac`: 16 bytes or more. Either this or `keyfile`.', {
    secret: true,
  }),
  'storage.cdn.keyfile': optional(
    text,
    'The file of the private RSA key (PEM) for `cloudfront`, or of the shared key for `hmac`. Relative to the working directory.',
  ),
  'storage.cdn.keyid': optional(text, 'CloudFront’s id of the key pair.'),
  'storage.buffer': acts(
    size(32 * mebibyte),
    256 * mebibyte,
    'Berth’s own. Memory for parts of all uploads to an object store together. A part that grows beyond it is sent smaller.',
  ),
}
