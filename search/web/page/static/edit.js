// The caption of a photo, and its change in place: Enter saves, Escape leaves
// it as it was, and what a person wrote can be undone to the model's.
import * as api from './api.js';
import { byID } from './dom.js';

export class CaptionEditor {
  #photo;
  #changed;

  // changed(photo) is called with what the server says after a change.
  constructor(changed) {
    this.#changed = changed;
    byID('edit').addEventListener('click', () => this.begin());
    byID('undo').addEventListener('click', () => this.#send(null));
    byID('cancel').addEventListener('click', () => this.leave());
    byID('caption-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.save(byID('caption-field').value);
    });
    byID('caption-field').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.isComposing) {
        event.preventDefault();
        this.save(byID('caption-field').value);
      }
    });
  }

  get editing() {
    return !byID('caption-form').hidden;
  }

  // show shows a photo's caption. Of a photo that is not known as a whole it
  // cannot be changed yet.
  show(photo, whole) {
    if (this.#photo?.photo !== photo.photo) {
      this.#close();
      this.#say('');
    }
    this.#photo = photo;
    const { caption, unsure, edited, partial } = photo;
    const doubt = unsure && !edited;
    byID('caption').textContent = caption || 'No caption yet';
    byID('caption').classList.toggle('unsure', Boolean(doubt));
    byID('unsure').hidden = !doubt;
    byID('yours').hidden = !edited;
    const fixed = !whole || partial || Boolean(document.body.dataset.readOnly);
    byID('edit').hidden = fixed;
    byID('undo').hidden = fixed || !edited;
  }

  begin() {
    if (byID('edit').hidden || this.editing) return;
    byID('caption-form').hidden = false;
    byID('caption-shown').hidden = true;
    const field = byID('caption-field');
    field.value = this.#photo.caption;
    field.focus();
    field.select();
    this.#say('');
  }

  // leave drops what was typed.
  leave() {
    if (!this.editing) return;
    this.#close();
    byID('edit').focus();
  }

  save(text) {
    const caption = text.trim();
    if (!caption || caption === this.#photo.caption) {
      this.leave();
      return Promise.resolve();
    }
    return this.#send(caption);
  }

  #close() {
    byID('caption-form').hidden = true;
    byID('caption-shown').hidden = false;
  }

  async #send(caption) {
    const id = this.#photo.photo;
    byID('save').disabled = byID('undo').disabled = true;
    try {
      const photo = await api.editCaption(id, caption);
      if (this.#photo.photo !== id) return;
      this.#close();
      this.#changed(photo);
      this.#say(caption === null ? 'The model’s caption is back.' : 'Saved, and found by these words from now on.');
      byID('edit').focus();
    } catch (error) {
      if (this.#photo.photo === id) this.#say(`Not saved: ${error.message}`);
    } finally {
      byID('save').disabled = byID('undo').disabled = false;
    }
  }

  #say(text) {
    byID('edit-result').textContent = text;
  }
}
