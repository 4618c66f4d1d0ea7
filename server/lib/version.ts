import { readFileSync } from 'node:fs'

let known: string | undefined

/** The version of this program, from package.json: `0.1.0`. Read at the first call. */
export function programVersion(): string {
  if (known === undefined) {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
    known = version
  }
  return known
}
