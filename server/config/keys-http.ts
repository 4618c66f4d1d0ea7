/** The keys of `http`, `auth` and `proxy`. */
import { isIP } from 'node:net'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { acts, inert, optional, type Section } from './key.ts'
import { boolean, duration, fieldsOf, longestTimerMs, listOf, mapOf, oneOf, text, textLike } from './value-types.ts'

/** Every map that the keys of this file stand in, by dotted path, those that Berth ignores or refuses included. */
export const httpSections = {
  http: { doc: 'The listener and what it tells of itself.' },
  'http.tls': {
    doc: 'TLS. Without a certificate of one kind (`certificate`, `certificates`, `letsencrypt`, `selfsigned`) Berth speaks plain HTTP.',
  },
  'http.tls.letsencrypt': {
    doc: 'Certificates by ACME (RFC 8555), from Let’s Encrypt or any other such authority: one for each of `hosts`, kept in the database for all nodes and renewed by themselves. Without effect beside `certificate`, as in registry:2.',
  },
  'http.tls.letsencrypt.eab': {
    doc: 'Berth’s own. The account that some authorities want named when theirs is made (external account binding).',
    own: true,
  },
  'http.tls.hsts': { doc: 'Berth’s own. `Strict-Transport-Security` (RFC 6797) in every answer over TLS.', own: true },
  'http.redirect': {
    doc: 'Berth’s own. A listener for plain HTTP that sends everybody to HTTPS, and answers challenges of ACME.',
    own: true,
  },
  'http.debug': { doc: 'A second listener for health and metrics. Do not expose it.' },
  'http.debug.prometheus': { doc: 'Metrics in the text format of Prometheus.' },
  'http.portal': { doc: 'Berth’s own. The pages for people with a browser.', own: true },
  'http.http2': { doc: 'HTTP/2 is not spoken on the data port: its default windows slow large blobs down', status: 'ignored' },
  'http.h2c': { doc: 'HTTP/2 is not spoken on the data port: its default windows slow large blobs down', status: 'ignored' },
  auth: {
    doc: 'Who may come in. At most one kind; a bare word is a kind without parameters. With a file that has no `auth`, or `auth: none`, anyone who reaches the registry may push, pull and delete, as with registry:2, and Berth warns. Without a file: `accounts`.',
  },
  'auth.none': { doc: 'Anyone may do anything.' },
  'auth.htpasswd': { doc: 'Users of a file; each may do anything. bcrypt entries only. Read again when the file changes.' },
  'auth.accounts': {
    doc: 'Berth’s own. Accounts of the database, beginning with the administrator whom the first start makes and prints.',
    own: true,
  },
  'auth.token': {
    doc: 'A token server that is not Berth’s: whoever brings a bearer token of `issuer` for `service`, signed by a key of `rootcertbundle` or `jwks`, may do what it says.',
  },
  'auth.silly': { doc: 'it lets everyone in who sends any Authorization header: use auth.htpasswd or auth.accounts', status: 'refused' },
  proxy: { doc: 'A pull-through cache.' },
  'proxy.exec': { doc: 'only for the pull-through cache, which is not available in this version', status: 'ignored' },
} as const satisfies Record<string, Section>

function passes(check: () => void): boolean {
  try {
    check()
    return true
  } catch {
    return false
  }
}

/** Names of address ranges that `http.trustedproxies` understands. */
export const addressGroups: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10'],
}

function isAddressRange(written: string): boolean {
  const [address = '', bits, ...more] = written.split('/')
  const version = isIP(address)
  if (Object.hasOwn(addressGroups, written)) return true
  return (
    version !== 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  )
}

const path = textLike('an absolute path such as /metrics', (value) => /^\/[^\s?#]*$/.test(value))
const prefix = textLike('a path that starts with / and ends with /', (value) => value === '' || /^\/[^\s?#]*$/.test(value))
const absoluteUrl = textLike(
  'an absolute URL such as https://registry.example.com',
  (value) => value === '' || /^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/i.test(value),
)
const headerValue = textLike('a list of header values without line ends', (value) => passes(() => validateHeaderValue('x', value)))
const addressRange = textLike('an IP address, a CIDR range, `loopback` or `private`', isAddressRange)
const email = textLike('an e-mail address', (value) => value === '' || /^[^\s@,:?&]+@[^\s@,:?&]+$/.test(value))
const hostName = textLike(
  'a host name such as registry.example.com',
  (value) =>
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(value) && isIP(value) === 0,
)
const directoryUrl = textLike('an https: URL', (value) => /^https:\/\/[^/?#@\s]+(\/[^#\s]*)?$/i.test(value))
const base64url = textLike('a key in base64url', (value) => /^[A-Za-z0-9_+/-]+={0,2}$/.test(value))
const realm = textLike('a text of printable ASCII, up to 200 characters', (value) => /^[ -~]{1,200}$/.test(value))

const tokenRealm = textLike('an absolute URL such as https://auth.example.com/token', (value) =>
  /^https?:\/\/[^/?#@\s"\\]+[^#\s"\\]*$/i.test(value),
)
const signingAlgorithm = textLike('one of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512', (value) =>
  /^(?:EdDSA|(?:ES|RS|PS)(?:256|384|512))$/.test(value),
)

/** Whether `name` may be the name of a response header. */
export function isHeaderName(name: string): boolean {
  return passes(() => validateHeaderName(name))
}

const listenKeys = {
  'http.addr': acts(text, ':5000', 'Where to listen: `host:port`, `:port` for all addresses, or with `net: unix` a path.'),
  'http.net': acts(oneOf('tcp', 'unix'), 'tcp', 'The kind of `addr`.'),
  'http.prefix': acts(prefix, '', 'Path that everything stands below; starts and ends with `/`.'),
  'http.host': optional(absoluteUrl, 'The URL by which clients reach the registry, for the URLs in answers.', {
    defaultText: 'from the request',
  }),
  'http.secret': inert('needless', text, 'Upload state is in the database: no secret is needed, whatever stands here is fine.', {
    secret: true,
  }),
  'http.relativeurls': acts(boolean, false, 'Send URLs without scheme and host.'),
  'http.draintimeout': acts(
    duration({ maximumMs: longestTimerMs }),
    0,
    'How long requests in flight may take after SIGTERM; 0: as long as they need.',
  ),
  'http.draindelay': acts(
    duration({ maximumMs: longestTimerMs }),
    0,
    'Berth’s own. How long requests are still taken after SIGTERM, while `/readyz` already says 503: as long as balancers in front need to notice, so that none of them sends a request to a registry that is gone.',
  ),
  'http.accel': optional(
    path,
    'Berth’s own. The path of an `internal` location of nginx over the data directory, such as `/blobs-of-berth/`: pulls of large blobs through a trusted proxy that sends `X-Sendfile-Type: X-Accel-Redirect` are then answered with that header, and nginx sends the file itself. Only for the filesystem store.',
  ),
  'http.headers': acts(mapOf(listOf(headerValue)), {}, 'Headers added to every answer: name → list of values.'),
  'http.trustedproxies': acts(
    listOf(addressRange),
    ['loopback'],
    'Berth’s own. Who may say with `X-Forwarded-Proto`, `-Host`, `-For` or `Forwarded` how the client came: addresses, CIDR ranges, `loopback`, `private` (RFC 1918, 6598, link-local and unique local addresses). From others these headers count for nothing, and a private address that sends them all the same is named in the log, once; registry:2 believes everyone. A proxy on another machine or in a container network must be named: by its address, or by a network that it alone is in, for whoever else is there can claim to be any client.',
  ),
  'http.insecuresessions': acts(
    boolean,
    false,
    'Berth’s own. Lets browsers sign in over plain HTTP from other machines than this one; anybody on the way can then take over their sessions. Without it that needs TLS, here or in a trusted proxy in front.',
  ),
  'http.portal.enabled': acts(boolean, true, 'Berth’s own. Whether the portal, the pages for people with a browser, is served at `/`.'),
  'http.proxyprotocol': acts(
    boolean,
    false,
    'Berth’s own. Whether connections from `http.trustedproxies` begin with a header of the PROXY protocol, version 1 or 2, that names the client: then every one of them must. From others it is not taken.',
  ),
  'http.redirect.addr': optional(text, 'Where to listen for plain HTTP, such as `:80`. Needs `http.tls`.', { defaultText: 'off' }),
  'http.debug.addr': optional(text, 'Where health and metrics listen, such as `localhost:5001`.', { defaultText: 'off' }),
  'http.debug.prometheus.enabled': acts(boolean, false, 'Whether metrics are served there.'),
  'http.debug.prometheus.path': acts(path, '/metrics', 'Their path.'),
  'http.http2.disabled': inert('ignored', boolean, 'Speak HTTP/1.1 only.'),
  'http.h2c.enabled': inert('ignored', boolean, 'HTTP/2 without TLS.'),
}

const tlsKeys = {
  'http.tls.certificate': optional(text, 'PEM file of the certificate, followed by its intermediates.'),
  'http.tls.key': optional(text, 'PEM file of its private key.'),
  'http.tls.certificates': acts(
    listOf(fieldsOf({ certificate: text, key: text }, {})),
    [],
    'Berth’s own. Further certificates with their keys: a client gets the one that has the name it asks for (SNI), else `certificate`, or the first of these.',
  ),
  'http.tls.selfsigned': acts(
    boolean,
    false,
    'Berth’s own, for a first try. An authority of this installation’s own and a certificate by it, made and kept in the data directory; what clients need to trust it is printed at the start. The same as `berth serve --tls-self-signed`.',
  ),
  'http.tls.hsts.maxage': acts(
    duration({ needsUnit: true }),
    0,
    'How long browsers come back over HTTPS alone, such as `8760h`; 0: not sent.',
  ),
  'http.tls.hsts.includesubdomains': acts(boolean, false, 'Whether that holds for the host’s subdomains too.'),
  'http.tls.clientcas': acts(listOf(text), [], 'PEM files of authorities whose client certificates count.'),
  'http.tls.crls': acts(
    listOf(text),
    [],
    'Berth’s own. PEM files of revocation lists for client certificates, one for each authority of the chain; read again when they change. With any of them, a certificate of an authority without a list is refused.',
  ),
  'http.tls.clientauth': acts(
    oneOf('require-and-verify-client-cert', 'request-client-cert', 'require-any-client-cert', 'verify-client-cert-if-given'),
    'require-and-verify-client-cert',
    'What is asked of client certificates when `clientcas` is given.',
  ),
  'http.tls.minimumtls': acts(
    oneOf('tls1.2', 'tls1.3', 'tls1.0', 'tls1.1'),
    'tls1.2',
    'The oldest version spoken. `tls1.0` and `tls1.1` of registry:2 count as `tls1.2`, with a warning.',
  ),
  'http.tls.ciphersuites': acts(listOf(text), [], 'Cipher suites by the names of Go, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.', {
    defaultText: 'those of Node.js',
  }),
  'http.tls.letsencrypt.cachefile': inert(
    'needless',
    text,
    'Certificates are kept in the database: no cache is needed, whatever stands here is fine.',
  ),
  'http.tls.letsencrypt.email': optional(email, 'Where the authority may write to about certificates that end.'),
  'http.tls.letsencrypt.hosts': acts(listOf(hostName), [], 'Host names that certificates are for, one each. Required with letsencrypt.'),
  'http.tls.letsencrypt.directoryurl': acts(
    directoryUrl,
    'https://acme-v02.api.letsencrypt.org/directory',
    'The directory of the authority.',
  ),
  'http.tls.letsencrypt.challenge': acts(
    oneOf('tls-alpn-01', 'http-01'),
    'tls-alpn-01',
    'Berth’s own. How the authority is shown that the hosts are ours: on port 443 (`tls-alpn-01`, as registry:2 does), or on port 80, which then must lead to `http.redirect.addr`.',
  ),
  'http.tls.letsencrypt.termsagreed': acts(
    boolean,
    true,
    'Berth’s own. Whether the terms of the authority are agreed to; as with registry:2, who names hosts does. With `false` nothing is asked for.',
  ),
  'http.tls.letsencrypt.trustedca': optional(
    text,
    'Berth’s own. PEM file of authorities that a private ACME directory’s own certificate is checked with.',
    {
      defaultText: 'those of Node.js',
    },
  ),
  'http.tls.letsencrypt.eab.keyid': optional(text, 'The key’s name, as the authority gave it.'),
  'http.tls.letsencrypt.eab.hmackey': optional(base64url, 'The key, in base64url.', { secret: true }),
}

const authKeys = {
  'auth.htpasswd.realm': optional(realm, 'Shown by clients that ask for a password. Required with htpasswd.'),
  'auth.htpasswd.path': optional(
    text,
    'The file. When it is missing, Berth makes it with user `docker` and a random password that is logged once. Required with htpasswd.',
  ),
  'auth.accounts.realm': acts(realm, 'Berth', 'Shown by clients that ask for a password.'),
  'auth.token.realm': optional(tokenRealm, 'URL of the token server, for the challenge. Required with token, unless `autoredirect`.'),
  'auth.token.service': optional(realm, 'The name of this registry at the token server (`aud`). Required with token.'),
  'auth.token.issuer': optional(realm, 'The name of the token server (`iss`). Required with token.'),
  'auth.token.rootcertbundle': optional(
    text,
    'PEM file of certificates: their keys count, and tokens with a chain (`x5c`) that leads to one of them. This or `jwks` is required with token.',
  ),
  'auth.token.jwks': optional(text, 'JSON file with a JWK set whose keys count.'),
  'auth.token.signingalgorithms': acts(
    listOf(signingAlgorithm),
    ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
    'Algorithms that count.',
  ),
  'auth.token.autoredirect': acts(boolean, false, 'Take scheme and host of the realm from each request.'),
  'auth.token.autoredirectpath': acts(path, '/auth/token', 'The path of the realm then.'),
  'auth.silly.realm': inert('refused', text, ''),
  'auth.silly.service': inert('refused', text, ''),
}

const needsProxy = 'only for the pull-through cache, which is not available in this version'

const proxyKeys = {
  'proxy.remoteurl': inert('refused', text, 'the pull-through cache is not available in this version'),
  'proxy.username': inert('ignored', text, needsProxy),
  'proxy.password': inert('ignored', text, needsProxy, { secret: true }),
  'proxy.ttl': inert('ignored', duration(), needsProxy),
  'proxy.cachewritetimeout': inert('ignored', duration(), needsProxy),
  'proxy.exec.command': inert('ignored', text, 'Credential helper.'),
  'proxy.exec.lifetime': inert('ignored', duration(), 'How long its answer counts.'),
}

/** Every key of `http`, `auth` and `proxy`. */
export const allHttpKeys = { ...listenKeys, ...tlsKeys, ...authKeys, ...proxyKeys }
