/** What a person reads when the registry is up: where it is, how to get in, what to type next. */
import { hostname } from 'node:os'
import type { Config } from '#config/config.ts'
import { describeDatabase } from '#config/database-place.ts'
import { describeStorage } from '#config/storage-place.ts'
import type { RunningBerth } from '#main.ts'
import { trustLines } from './trust-lines.ts'

/** The text, ending with an empty line. */
export function greeting(config: Config, running: Pick<RunningBerth, 'url' | 'administrator'>, version: string): string {
  const lines = [
    `${version} is ready`,
    `  address   ${config.http.host ?? running.url}`,
    `  data      ${describeStorage(config.storage) ?? 'in memory, lost at the end'}`,
    `  database  ${describeDatabase(config.database)}`,
  ]
  if (config.auth.kind === 'open') lines.push(`  access    open: whoever reaches it may ${openRights(config.storage)}`)
  else if (config.storage.readOnly) lines.push('  access    read-only')
  if (config.auth.kind === 'htpasswd') lines.push(`  access    users of ${config.auth.path}`)
  const { administrator } = running
  if (administrator !== undefined) {
    lines.push(`  user      ${administrator.name}`, `  password  ${administrator.password}`, '            (shown this once; keep it)')
  }
  const authority = config.http.tls?.selfSigned?.authority
  const host = dockerHost(config, running.url)
  if (authority !== undefined && host !== undefined) lines.push(...trustLines(host, authority))
  lines.push('next', ...nextCommands(config, running).map((command) => `  ${command}`))
  return `\n${lines.join('\n')}\n\n`
}

function openRights({ readOnly, deleteEnabled }: Config['storage']): string {
  if (readOnly) return 'pull (read-only)'
  return deleteEnabled ? 'push, pull and delete' : 'push and pull'
}

function nextCommands(config: Config, { url, administrator }: Pick<RunningBerth, 'url' | 'administrator'>): readonly string[] {
  const host = dockerHost(config, url)
  if (host === undefined) return ['put a proxy before the socket, docker speaks to no socket']
  if (config.storage.readOnly) return [`docker pull ${host}/NAME:TAG`]
  const user = administrator === undefined ? '' : ` -u ${administrator.name}`
  const first = config.auth.kind === 'open' ? 'docker pull busybox' : `docker login ${host}${user}`
  return [first, `docker tag busybox ${host}/busybox`, `docker push ${host}/busybox`]
}

/** As docker names the registry. It speaks plain HTTP to localhost only, so that is what a listener on all addresses is called. */
function dockerHost(config: Config, url: string): string | undefined {
  if (config.http.host !== undefined) return new URL(config.http.host).host
  if ('path' in config.http.listen) return undefined
  const { hostname: name, host, port } = new URL(url)
  const isHere = config.http.listen.host === undefined || name === '127.0.0.1' || name === 'localhost'
  // Where TLS is tried, it is from other machines too.
  if (config.http.tls?.selfSigned !== undefined && config.http.listen.host === undefined)
    return port === '' ? hostname() : `${hostname()}:${port}`
  return isHere && port !== '' ? `localhost:${port}` : host
}
