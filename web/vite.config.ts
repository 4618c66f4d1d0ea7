import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  // The registry may stand below any path: what is loaded names its neighbours, and the server completes the document.
  base: './',
  resolve: { alias: [{ find: /^#/, replacement: fileURLToPath(new URL('../server/', import.meta.url)) }] },
  html: { cspNonce: '{{nonce}}' },
  build: {
    target: 'es2023',
    sourcemap: false,
    reportCompressedSize: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      // What a first visit needs is known by these.
      input: { index: 'index.html', login: 'src/pages/login/login-page.tsx' },
      output: {
        // A visit pays for each file: what a first one needs is one, small signs are another, what many pages share a third.
        codeSplitting: {
          groups: [
            { name: 'first', tags: ['$initial'], test: /^(?!.*(?:main\.tsx|index\.html))/, priority: 3 },
            { name: 'signs', test: /lucide-react/, priority: 2 },
            { name: 'roles', test: /locales\/roles/, priority: 2 },
            { name: 'shared', minShareCount: 5, priority: 1 },
          ],
        },
      },
    },
  },
})
