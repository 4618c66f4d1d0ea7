/** Forms in dialogs and panels: what they have in common is said once. */
import { Button, Drawer, Group, Modal, Stack, type ButtonProps } from '@mantine/core'
import { useState, type ChangeEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Problem, tellProblem } from './problem.tsx'
import { useTry } from './use-try.ts'

interface FormProps {
  readonly save: () => Promise<unknown>
  /** What the button says; `Save` unless said. */
  readonly submit?: string
  readonly close?: (() => void) | undefined
  readonly isDisabled?: boolean
  /** Its one button is as wide as its fields. */
  readonly isFull?: boolean
  readonly color?: string
  /** Beside the buttons. */
  readonly aside?: ReactNode
  readonly children: ReactNode
}

/** Saves once at a time, shows what was refused, and closes where there is something to close. */
export function Form({ save, submit, close, isDisabled = false, isFull = false, color, aside, children }: FormProps) {
  const { t } = useTranslation()
  const { error, isBusy, attempt } = useTry()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        event.stopPropagation()
        attempt(save)
      }}
    >
      <Stack>
        {children}
        {error !== undefined && <Problem error={error} />}
        <Group justify={close === undefined ? 'flex-start' : 'flex-end'}>
          {aside}
          {close !== undefined && (
            <Button variant="default" onClick={close}>
              {t('common.cancel')}
            </Button>
          )}
          <Button type="submit" loading={isBusy} disabled={isDisabled} fullWidth={isFull} {...(color !== undefined && { color })}>
            {submit ?? t('common.save')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

interface DialogProps {
  readonly title: ReactNode
  readonly opened: boolean
  readonly close: () => void
  readonly size?: string | number
  /** A click beside it does not close it: what it shows is shown once. */
  readonly isHeld?: boolean
  readonly children: ReactNode
}

/** A dialog whose button to close it has a name; what is in it is made anew each time. */
export function Dialog({ title, opened, close, size, isHeld = false, children }: DialogProps) {
  const { t } = useTranslation()
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={title}
      closeOnClickOutside={!isHeld}
      closeButtonProps={{ 'aria-label': t('common.close') }}
      {...(size !== undefined && { size })}
    >
      {opened && children}
    </Modal>
  )
}

interface SideProps {
  readonly title: string
  readonly opened: boolean
  readonly close: () => void
  readonly width?: number
  readonly children: ReactNode
}

/** One of a list, opened beside it. */
export function Side({ title, opened, close, width = 620, children }: SideProps) {
  const { t } = useTranslation()
  return (
    <Drawer
      opened={opened}
      onClose={close}
      position="right"
      size={`min(${width}px, 100vw)`}
      title={title}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {opened && children}
    </Drawer>
  )
}

type Changed = ChangeEvent<HTMLInputElement | HTMLTextAreaElement>
type KeysOf<Draft, Value> = { [Key in keyof Draft]: Draft[Key] extends Value ? Key : never }[keyof Draft]

/** What somebody is filling in. */
export interface DraftState<Draft> {
  readonly draft: Draft
  readonly put: (changes: Partial<Draft>) => void
  readonly text: (key: KeysOf<Draft, string>) => { readonly value: string; readonly onChange: (event: Changed) => void }
  readonly flag: (key: KeysOf<Draft, boolean>) => {
    readonly checked: boolean
    readonly onChange: (event: ChangeEvent<HTMLInputElement>) => void
  }
}

/** Keeps what is filled in, and binds fields to it. */
export function useDraft<Draft extends object>(initial: Draft): DraftState<Draft> {
  const [draft, setDraft] = useState(initial)
  const put = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }))
  return {
    draft,
    put,
    text: (key) => ({
      value: draft[key] as string,
      onChange: (event) => put({ [key]: event.currentTarget.value } as unknown as Partial<Draft>),
    }),
    flag: (key) => ({
      checked: draft[key] as boolean,
      onChange: (event) => put({ [key]: event.currentTarget.checked } as unknown as Partial<Draft>),
    }),
  }
}

/** For buttons outside of forms: runs, and tells of what was refused. */
export async function act(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    tellProblem(error)
  }
}

/** One a line, without empty ones. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** A whole number that was typed; undefined for nothing. */
export function numberOf(text: string): number | undefined {
  return text.trim() === '' ? undefined : Number(text)
}

interface WorkProps extends Omit<ButtonProps, 'loading'> {
  readonly work: () => Promise<unknown>
  readonly 'aria-label'?: string
}

/** A button that does something: once at a time, and what was refused is told. */
export function WorkButton({ work, ...rest }: WorkProps) {
  const [isBusy, setBusy] = useState(false)
  const run = async () => {
    setBusy(true)
    await act(work)
    setBusy(false)
  }
  return <Button {...rest} loading={isBusy} onClick={() => void run()} />
}
