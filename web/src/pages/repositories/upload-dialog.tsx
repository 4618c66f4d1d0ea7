/** An archive of images is dropped or chosen, sent with a bar that tells how far it is, and becomes images of a repository. */
import { Alert, Button, FileButton, Group, Modal, Progress, Stack, Text, TextInput } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { FileArchive, Upload } from 'lucide-react'
import { useEffect, useRef, useState, type DragEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { keyOf, queryClient, withProof } from '../../api/client.ts'
import { listProjectAudit, listRepositories, listTags, readProjectUsage, readQuota, readRepository, readTag } from '../../api/routes.ts'
import { sendArchive, type Imported } from '../../api/send-archive.ts'
import { placeOf } from '../../app/named-place.ts'
import { Problem, tell } from '../../parts/problem.tsx'
import { formatBytes, formatNumber, formatShare } from '../../parts/sizes.ts'
import { visibleName } from '../../parts/visible.ts'

interface UploadProps {
  /** Where it goes; a project, in which a repository is named, ends with a slash. */
  readonly place: string
  /** What was dropped on the page. */
  readonly file?: File | undefined
  readonly close: () => void
}

type State =
  | { readonly at: 'choosing'; readonly error?: unknown }
  | { readonly at: 'sending'; readonly sentBytes: number }
  | { readonly at: 'done'; readonly imported: Imported; readonly repository: string }

interface Wanted {
  readonly repository: string
  readonly tag: string
  readonly file: File
}

/** What becomes of the archive. */
function useUpload() {
  const { t } = useTranslation()
  const [state, setState] = useState<State>({ at: 'choosing' })
  const stop = useRef<AbortController>(undefined)
  const send = async ({ repository, tag, file }: Wanted) => {
    const controller = new AbortController()
    stop.current = controller
    setState({ at: 'sending', sentBytes: 0 })
    try {
      const onProgress = (sentBytes: number) => setState({ at: 'sending', sentBytes })
      const wanted = tag === '' ? undefined : tag
      const imported = await withProof(() => sendArchive({ repository, tag: wanted, file, onProgress, signal: controller.signal }))
      setState({ at: 'done', imported, repository })
      const touched = [listRepositories, listTags, readRepository, readTag, readProjectUsage, readQuota, listProjectAudit]
      await Promise.all(touched.map((route) => queryClient.invalidateQueries({ queryKey: keyOf(route) })))
    } catch (error) {
      const isStopped = error instanceof DOMException && error.name === 'AbortError'
      if (isStopped) tell(t('archive.cancelled'))
      setState({ at: 'choosing', ...(!isStopped && { error }) })
    }
  }
  return { state, send, stop: () => stop.current?.abort(), again: () => setState({ at: 'choosing' }) }
}

export function UploadDialog({ place, file: dropped, close }: UploadProps) {
  const { t } = useTranslation()
  const [file, setFile] = useState(dropped)
  const { state, send, stop, again } = useUpload()
  const isSending = state.at === 'sending'
  useWarning(isSending)
  return (
    <Modal
      opened
      onClose={close}
      title={t('archive.title')}
      size="lg"
      closeOnClickOutside={!isSending}
      closeOnEscape={!isSending}
      withCloseButton={!isSending}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {state.at === 'done' && (
        <Done
          {...state}
          close={close}
          again={() => {
            setFile(undefined)
            again()
          }}
        />
      )}
      {state.at === 'sending' && file !== undefined && <Sending file={file} sentBytes={state.sentBytes} stop={stop} />}
      {/* What is written stays while it is sent: after a refusal it is mended, not written anew. */}
      <div hidden={state.at !== 'choosing'}>
        <Form
          key={state.at === 'done' ? 'done' : 'wanted'}
          place={place}
          file={file}
          choose={setFile}
          error={state.at === 'choosing' ? state.error : undefined}
          send={(wanted) => void send(wanted)}
          close={close}
        />
      </div>
    </Modal>
  )
}

interface FormProps {
  readonly place: string
  readonly file: File | undefined
  readonly choose: (file: File) => void
  readonly error: unknown
  readonly send: (wanted: Wanted) => void
  readonly close: () => void
}

function Form({ place, file, choose, error, send, close }: FormProps) {
  const { t } = useTranslation()
  const [name, setName] = useState('')
  const [tag, setTag] = useState('')
  const isInProject = place.endsWith('/')
  const repository = isInProject ? `${place}${name.trim()}` : place
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (file !== undefined) send({ repository, tag: tag.trim(), file })
      }}
    >
      <Stack>
        <DropPlace file={file} choose={choose} />
        {isInProject ? (
          <TextInput
            label={t('archive.repository')}
            description={t('archive.nameHint')}
            leftSection={<span className="mono">{place}</span>}
            leftSectionWidth={Math.min(220, 18 + place.length * 8)}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            required
            withAsterisk={false}
            autoCapitalize="none"
            spellCheck={false}
          />
        ) : (
          <Text size="sm">
            {t('archive.repository')}: <span className="mono wrap">{place}</span>
          </Text>
        )}
        <TextInput
          label={t('archive.tag')}
          description={t('archive.tagHint')}
          value={tag}
          onChange={(event) => setTag(event.currentTarget.value)}
          maxLength={128}
          autoCapitalize="none"
          spellCheck={false}
        />
        {error !== undefined && <Problem error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" disabled={file === undefined || (isInProject && name.trim() === '')} leftSection={<Upload size={15} />}>
            {t('archive.start')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** Who leaves while bytes are on their way is asked by the browser. */
function useWarning(isOn: boolean): void {
  useEffect(() => {
    if (!isOn) return undefined
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [isOn])
}

function DropPlace({ file, choose }: { readonly file: File | undefined; readonly choose: (file: File) => void }) {
  const { t } = useTranslation()
  const [isOver, setOver] = useState(false)
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    const [first] = event.dataTransfer.files
    if (first !== undefined) choose(first)
  }
  return (
    <div
      className="drop-place"
      {...(isOver && { 'data-over': true })}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <FileArchive size={26} aria-hidden />
      {file === undefined ? (
        <>
          <Text fw={500}>{t('archive.drop')}</Text>
          <Text size="sm" c="dimmed" ta="center">
            {t('archive.dropText')}
          </Text>
        </>
      ) : (
        <Text fw={500} className="wrap" ta="center">
          {visibleName(file.name)} <span className="number">({formatBytes(file.size)})</span>
        </Text>
      )}
      <FileButton onChange={(chosen) => chosen !== null && choose(chosen)} inputProps={{ 'aria-label': t('archive.file'), tabIndex: -1 }}>
        {(props) => (
          <Button {...props} variant="default" size="compact-sm">
            {t('archive.choose')}
          </Button>
        )}
      </FileButton>
    </div>
  )
}

interface SendingProps {
  readonly file: File
  readonly sentBytes: number
  readonly stop: () => void
}

function Sending({ file, sentBytes, stop }: SendingProps) {
  const { t } = useTranslation()
  const isSent = sentBytes >= file.size
  return (
    <Stack>
      <Text fw={500} className="wrap">
        {visibleName(file.name)}
      </Text>
      <Progress
        value={file.size === 0 ? 100 : Math.min(100, (sentBytes / file.size) * 100)}
        size="lg"
        animated={isSent}
        aria-label={t('archive.progress')}
      />
      <Group justify="space-between">
        <Text size="sm" className="number" role="status">
          {isSent
            ? t('archive.reading')
            : `${t('archive.sent', { sent: formatBytes(sentBytes), size: formatBytes(file.size) })} · ${formatShare(sentBytes, file.size)}`}
        </Text>
        <Button variant="default" onClick={stop}>
          {t('archive.stop')}
        </Button>
      </Group>
    </Stack>
  )
}

interface DoneProps {
  readonly imported: Imported
  readonly repository: string
  readonly close: () => void
  readonly again: () => void
}

function Done({ imported: { images }, repository, close, again }: DoneProps) {
  const { t } = useTranslation()
  return (
    <Stack>
      <Text fw={500} role="status">
        {t('archive.done', { count: images.length, shown: formatNumber(images.length) })}
      </Text>
      <ul style={{ margin: 0, paddingLeft: 18 }}>
        {images.map(({ digest, tags, missingPlatforms }) => (
          <li key={digest}>
            {(tags.length === 0 ? [undefined] : tags).map((tag) => (
              <Link
                key={tag ?? ''}
                to="/repositories/$"
                params={{ _splat: tag === undefined ? placeOf(repository, 'manifests', digest) : placeOf(repository, 'tags', tag) }}
                search={{}}
                onClick={close}
                className="text-link wrap"
                style={{ marginRight: 8 }}
              >
                {tag === undefined ? `${digest.slice(0, 19)} (${t('archive.untagged')})` : `${repository}:${tag}`}
              </Link>
            ))}
            {missingPlatforms.length > 0 && (
              <Alert color="yellow">{t('archive.missing', { platforms: missingPlatforms.join(', ') })}</Alert>
            )}
          </li>
        ))}
      </ul>
      <Group justify="flex-end">
        <Button variant="default" onClick={again}>
          {t('archive.again')}
        </Button>
        <Button onClick={close}>{t('common.close')}</Button>
      </Group>
    </Stack>
  )
}
