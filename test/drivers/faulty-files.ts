/** File ports that go wrong on purpose, for the bad days of the filesystem store. */
import type { FileHandle } from 'node:fs/promises'
import { systemPorts, type Files } from '#lib/ports.ts'

/** What may take the place of a handle's own functions. `handle` is the real one, `path` what was opened. */
export type HandleFaults = Partial<Record<'write' | 'writev' | 'datasync' | 'sync' | 'stat' | 'truncate' | 'close' | 'read', HandleFault>>
type HandleFault = (handle: FileHandle, args: readonly never[], path: string) => Promise<unknown>

/** A system error as node makes it. */
export function systemError(code: string, syscall: string, path = '/var/lib/secret/place'): Error {
  return Object.assign(new Error(`${code}: made up, ${syscall} '${path}'`), { code, syscall, errno: -1, path })
}

/** The files port, counting every function of it and of its handles by name, with some of them replaced. */
export interface FaultyFiles {
  readonly files: Files
  /** Calls by name: `open`, `rename`, …, and of handles `handle.write`, `handle.datasync`, … */
  readonly calls: Map<string, number>
  /** May be changed at any time. */
  readonly faults: { handle: HandleFaults; files: Partial<Record<keyof Files, (...args: never[]) => Promise<unknown>>> }
  /** Handles that were opened and not closed. */
  openHandles(): number
}

export function faultyFiles(base: Files = systemPorts.files): FaultyFiles {
  const calls = new Map<string, number>()
  /** Without the opens that found nothing. */
  let opened = 0
  let closed = 0
  const faults: FaultyFiles['faults'] = { handle: {}, files: {} }
  const count = (name: string) => calls.set(name, (calls.get(name) ?? 0) + 1)
  const wrap = (handle: FileHandle, path: string) =>
    interceptCalls(handle, (name, call) => {
      const fault = faults.handle[name as keyof HandleFaults]
      return (...args: never[]) => {
        count(`handle.${name}`)
        if (name === 'close' || name === 'asyncDispose') closed++
        return fault === undefined ? call(...args) : fault(handle, args, path)
      }
    })
  const files = interceptCalls(base, (name, call) => async (...args: never[]) => {
    count(name)
    const result = await (faults.files[name as keyof Files] ?? call)(...args)
    if (name !== 'open') return result
    opened += 1
    return wrap(result as FileHandle, String(args[0]))
  })
  const openHandles = () => opened - closed
  return { files, calls, faults, openHandles }
}

type Call = (...args: never[]) => Promise<unknown>

/** An object whose functions are replaced by what `replace` makes of them. */
export function interceptCalls<T extends object>(target: T, replace: (name: string, call: Call) => Call): T {
  return new Proxy(
    { ...target },
    {
      get(_, property) {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        const name = property === Symbol.asyncDispose ? 'asyncDispose' : String(property)
        return replace(name, value.bind(target) as Call)
      },
    },
  )
}
