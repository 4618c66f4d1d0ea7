/** Values → the parts of Config about object stores. */
import { resolve } from 'node:path'
import type { RedirectConfig, S3Config } from './config.ts'
import type { Listener } from './environment.ts'
import { cdnKeyBytesMin } from './keys-object-stores.ts'
import type { Values } from './validate.ts'

/** Where an S3 service is; what is missing goes to the listener. */
export function buildS3(values: Values, { problem, warn }: Listener): S3Config {
  const key = <Name extends 'accesskey' | 'secretkey'>(name: Name) => values.get(`storage.s3.${name}`) ?? ''
  const bucket = values.get('storage.s3.bucket') ?? ''
  if (bucket === '' && !values.has('storage.s3.bucket')) problem({ path: 'storage.s3.bucket', expected: 'the name of the bucket' })
  const [accessKeyId, secretAccessKey] = [key('accesskey'), key('secretkey')]
  if ((accessKeyId === '') !== (secretAccessKey === '')) {
    const path = accessKeyId === '' ? 'storage.s3.accesskey' : 'storage.s3.secretkey'
    problem({ path, expected: 'accesskey and secretkey, or neither of them' })
  }
  const place = placeOf(values, bucket, problem)
  const skipVerify = values.get('storage.s3.skipverify')
  if (skipVerify)
    warn('storage.s3.skipverify: the certificate of the object store is not checked: whoever is in between can read and change blobs')
  const storageClass = values.get('storage.s3.storageclass')
  const root = values.get('storage.s3.rootdirectory').replace(/^\/+|\/+$/g, '')
  return {
    ...place,
    bucket,
    credentials: accessKeyId === '' ? undefined : { accessKeyId, secretAccessKey, sessionToken: values.get('storage.s3.sessiontoken') },
    prefix: root === '' ? '' : `${root}/`,
    partBytes: values.get('storage.s3.chunksize'),
    storageClass: storageClass === undefined || /^(none|)$/i.test(storageClass) ? undefined : storageClass,
    encryption: values.get('storage.s3.encrypt') ? { keyId: values.get('storage.s3.keyid') } : undefined,
    objectAcl: values.get('storage.s3.objectacl'),
    skipVerify,
    userAgent: values.get('storage.s3.useragent'),
  }
}

function placeOf(
  values: Values,
  bucket: string,
  problem: Listener['problem'],
): Pick<S3Config, 'region' | 'endpoint' | 'publicEndpoint' | 'isPathStyle'> {
  const secure = values.get('storage.s3.secure')
  const own = values.get('storage.s3.regionendpoint')
  const region = values.get('storage.s3.region') ?? (own === undefined ? '' : 'us-east-1')
  if (region === '') problem({ path: 'storage.s3.region', expected: 'a region such as eu-central-1, or a regionendpoint' })
  const asPublic = values.get('storage.s3.redirectendpoint')
  const endpoint = own === undefined ? amazonEndpoint(values, region === '' ? 'us-east-1' : region) : withScheme(own, secure)
  return {
    region,
    endpoint,
    publicEndpoint: asPublic === undefined ? undefined : withScheme(asPublic, secure),
    // A dot in the name would ask for a host that Amazon's certificate does not name.
    isPathStyle: values.get('storage.s3.forcepathstyle') ?? (own !== undefined || bucket.includes('.')),
  }
}

function amazonEndpoint(values: Values, region: string): string {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const scheme = values.get('storage.s3.secure') ? 'https' : 'http'
  const dual = values.get('storage.s3.usedualstack') ? '.dualstack' : ''
  if (values.get('storage.s3.accelerate')) return `${scheme}://s3-accelerate${dual}.${domain}`
  const fips = values.get('storage.s3.usefipsendpoint') ? '-fips' : ''
  return `${scheme}://s3${fips}${dual}.${region}.${domain}`
}

function withScheme(endpoint: string, secure: boolean): string {
  return /^[a-z]+:\/\//i.test(endpoint) ? endpoint : `${secure ? 'https' : 'http'}://${endpoint}`
}

/** Whether and where blobs of an object store are redirected. */
export function buildRedirects(values: Values, cwd: string, { problem }: Pick<Listener, 'problem'>): RedirectConfig {
  return {
    disabled: values.get('storage.redirect.disable'),
    exceptNetworks: values.get('storage.redirect.except'),
    exceptUserAgents: values.get('storage.redirect.useragents'),
    lifetimeMs: values.get('storage.redirect.lifetime'),
    cdn: buildCdn(values, cwd, problem),
  }
}

function buildCdn(values: Values, cwd: string, problem: Listener['problem']): RedirectConfig['cdn'] {
  if (!values.has('storage.cdn')) return undefined
  const url = values.get('storage.cdn.url')
  const kind = values.get('storage.cdn.kind')
  const [key, keyFile, keyId] = [values.get('storage.cdn.key'), values.get('storage.cdn.keyfile'), values.get('storage.cdn.keyid')]
  const missing: readonly (readonly [path: string, isMissing: boolean, expected: string])[] = [
    ['storage.cdn.url', url === undefined, 'the URL of the CDN'],
    ['storage.cdn.key', kind === 'hmac' && key === undefined && keyFile === undefined, 'a key (or keyfile)'],
    ['storage.cdn.keyfile', kind === 'cloudfront' && keyFile === undefined, 'the file of the private key'],
    ['storage.cdn.keyid', kind === 'cloudfront' && keyId === undefined, 'the id of the key pair'],
  ]
  for (const [path, isMissing, expected] of missing) if (isMissing && !values.has(path)) problem({ path, expected })
  checkKey(key, keyFile, problem)
  return {
    url: (url ?? '').replace(/\/+$/, ''),
    kind,
    key,
    keyFile: keyFile === undefined ? undefined : resolve(cwd, keyFile),
    keyId: keyId ?? '',
  }
}

function checkKey(key: string | undefined, keyFile: string | undefined, problem: Listener['problem']): void {
  const path = 'storage.cdn.key'
  if (key === undefined) return
  if (keyFile !== undefined) problem({ path, expected: 'a key or a keyfile, not both' })
  else if (Buffer.byteLength(key) < cdnKeyBytesMin)
    problem({ path, expected: `a key of ${cdnKeyBytesMin} bytes or more: with a shorter one others can sign URLs` })
}
