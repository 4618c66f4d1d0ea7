import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, runRefused, tryCommand } from '../support/run-command.ts'
import type { CommandOptions, CommandResult } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { pushImage } from '../support/registry-client.ts'
import type { PushedImage, RegistryClient } from '../support/registry-client.ts'

/** Where one client works: its home, its files, its commands. Nothing of the machine's user is read or written. */
export interface Workplace extends AsyncDisposable {
  readonly path: string
  file(...parts: string[]): string
  readonly env: Readonly<Record<string, string>>
  run(command: readonly string[], options?: CommandOptions): Promise<CommandResult>
  runRefused(command: readonly string[], options?: CommandOptions): Promise<CommandResult>
}

/** Makes a client's workplace with a clean environment; unmounts what the client left mounted and removes all at the end. */
export async function openWorkplace(
  name: string,
  variables: (file: Workplace['file']) => Record<string, string> = () => ({}),
): Promise<Workplace> {
  const directory = await temporaryDirectory(`client-${name}`)
  const file = (...parts: string[]) => join(directory.path, ...parts)
  await Promise.all([mkdir(file('home')), mkdir(file('tmp')), mkdir(file('run'), { mode: 0o700 })])
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: file('home'),
    TMPDIR: file('tmp'),
    XDG_RUNTIME_DIR: file('run'),
    ...variables(file),
  }
  const withEnv = (options: CommandOptions = {}) => ({ ...options, env: { ...env, ...options.env } })
  return {
    path: directory.path,
    file,
    env,
    run: (command, options) => run(command, withEnv(options)),
    runRefused: (command, options) => runRefused(command, withEnv(options)),
    [Symbol.asyncDispose]: async () => {
      await unmountUnder(directory.path)
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** Unmounts everything mounted below a directory, the deepest first. */
async function unmountUnder(directory: string) {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
  for (const point of mounts.toReversed()) await tryCommand(['umount', point])
}

/** A root file system with a static busybox, made below `directory`; its path. */
export async function makeRootfs(directory: string): Promise<string> {
  const rootfs = join(directory, 'rootfs')
  await mkdir(join(rootfs, 'bin'), { recursive: true })
  await copyFile('/bin/busybox', join(rootfs, 'bin', 'busybox'))
  await copyFile('/bin/busybox', join(rootfs, 'bin', 'sh'))
  return rootfs
}

/** Pushes, past any client, an image that says its greeting when it runs. */
export async function pushRunnableImage(
  client: RegistryClient,
  repository: string,
  tag: string,
  image: { readonly greeting?: string; readonly docker?: boolean } = {},
): Promise<PushedImage> {
  const files = { 'bin/busybox': await readFile('/bin/busybox'), 'etc/greeting': image.greeting ?? 'hello' }
  const command = ['/bin/busybox', 'cat', '/etc/greeting']
  return await pushImage(client, repository, tag, { files, command, docker: image.docker ?? false })
}
