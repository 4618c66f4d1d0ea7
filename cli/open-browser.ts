/** Opens a page in the person's own browser, where there is one. */
import { spawn } from 'node:child_process'

interface Opener {
  readonly command: string
  readonly args: readonly string[]
}

/** What opens `url` on this machine; undefined where nobody would see it: over ssh, in a container, without a screen. */
export function browserOpener(url: string, platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): Opener | undefined {
  const { DISPLAY: x11 = '', WAYLAND_DISPLAY: wayland = '', WSL_DISTRO_NAME: wsl = '', SSH_CONNECTION: ssh = '' } = environment
  if (platform === 'darwin') return ssh === '' ? { command: 'open', args: [url] } : undefined
  // `start` belongs to a shell, which reads `&` in an address as its own.
  if (platform === 'win32') return ssh === '' ? { command: 'rundll32', args: ['url.dll,FileProtocolHandler', url] } : undefined
  if (x11 !== '' || wayland !== '') return { command: 'xdg-open', args: [url] }
  return wsl === '' ? undefined : { command: 'wslview', args: [url] }
}

/** Whether something was asked to open the page. That it did, nobody says: the address is to be shown in any case. */
export async function openBrowser(url: string): Promise<boolean> {
  const opener = browserOpener(url, process.platform, process.env)
  if (opener === undefined) return false
  const child = spawn(opener.command, opener.args, { stdio: 'ignore', detached: true })
  return await new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}
