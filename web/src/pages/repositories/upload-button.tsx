/** The way in for archives: a button, and the whole page to drop one on. */
import { Button } from '@mantine/core'
import { Upload } from 'lucide-react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import './upload.css'

const UploadDialog = lazy(async () => ({ default: (await import('./upload-dialog.tsx')).UploadDialog }))

/** `place`: a repository, or a project with a slash at its end. */
export function UploadButton({ place }: { readonly place: string }) {
  const { t } = useTranslation()
  const [isOpen, setOpen] = useState(false)
  const [file, setFile] = useState<File>()
  const isOver = useDrop(!isOpen, (dropped) => {
    setFile(dropped)
    setOpen(true)
  })
  const close = () => {
    setOpen(false)
    setFile(undefined)
  }
  return (
    <>
      <Button variant="default" leftSection={<Upload size={15} />} onClick={() => setOpen(true)}>
        {t('archive.start')}
      </Button>
      {isOver && (
        <div className="drop-cover" aria-hidden>
          {t('archive.drop')}
        </div>
      )}
      {isOpen && (
        <Suspense fallback={null}>
          <UploadDialog place={place} file={file} close={close} />
        </Suspense>
      )}
    </>
  )
}

/** Whether a file is held over the page; what is dropped is handed on, and not opened by the browser. */
function useDrop(isOn: boolean, take: (file: File) => void): boolean {
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    if (!isOn) return undefined
    const stop = new AbortController()
    const isFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
    const over = (event: DragEvent) => {
      if (!isFile(event)) return
      event.preventDefault()
      setOver(true)
    }
    const leave = (event: DragEvent) => {
      // Out of the window: between two parts of the page there is somewhere to go.
      if (event.relatedTarget === null) setOver(false)
    }
    const drop = (event: DragEvent) => {
      if (!isFile(event)) return
      event.preventDefault()
      setOver(false)
      const [first] = event.dataTransfer?.files ?? []
      if (first !== undefined) take(first)
    }
    const { signal } = stop
    window.addEventListener('dragover', over, { signal })
    window.addEventListener('dragleave', leave, { signal })
    window.addEventListener('drop', drop, { signal })
    return () => stop.abort()
  }, [isOn, take])
  return isOn && isOver
}
