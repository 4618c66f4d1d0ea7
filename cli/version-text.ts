import { readFileSync } from 'node:fs'

/** `berth 0.1.0`, from package.json. */
export function versionText(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return `berth ${version}`
}
