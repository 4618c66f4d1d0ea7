import { programVersion } from '#lib/version.ts'

/** `berth 0.1.0`, from package.json. */
export function versionText(): string {
  return `berth ${programVersion()}`
}
